import ast

import yaml


class Node(dict):
    """Settings as attributes; a key that was not there before is refused once values are merged."""

    def __getattr__(self, key):
        try:
            return self[key]
        except KeyError:
            raise AttributeError(key) from None

    def __setattr__(self, key, value):
        if self.get("_frozen"):
            raise AttributeError("attempted to set %s, but the settings are frozen" % key)
        self[key] = value

    def merge_from_file(self, path):
        with open(path) as file:
            self._merge(yaml.safe_load(file) or {}, "")

    def _merge(self, values, above):
        for key, value in values.items():
            if key not in self:
                raise KeyError("Non-existent config key: %s%s" % (above, key))
            if isinstance(value, dict):
                self[key]._merge(value, above + key + ".")
            else:
                self[key] = decoded(value)

    def merge_from_list(self, words):
        for name, value in zip(words[::2], words[1::2], strict=True):
            *folders, key = name.split(".")
            node = self
            for folder in folders:
                node = node[folder]
            if key not in node:
                raise KeyError("Non-existent config key: %s" % name)
            node[key] = decoded(value)

    def freeze(self):
        for value in self.values():
            if isinstance(value, Node):
                value.freeze()
        self["_frozen"] = True

    def defrost(self):
        for value in self.values():
            if isinstance(value, Node):
                value.defrost()
        self["_frozen"] = False


def decoded(value):
    """Texts that are Python literals become their values, as in yaml files with (32, 32)."""
    try:
        return ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError):
        return value


def default_settings():
    cfg = Node(OUTPUT_DIR="./output", SEED=-1, USE_CUDA=True, VERBOSE=True)
    cfg.INPUT = Node(SIZE=(224, 224), PIXEL_MEAN=(0.48145466, 0.4578275, 0.40821073))
    cfg.INPUT.PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
    cfg.DATASET = Node(NAME="", ROOT="", NUM_SHOTS=-1)
    cfg.DATALOADER = Node(NUM_WORKERS=4, TRAIN_X=Node(BATCH_SIZE=32), TEST=Node(BATCH_SIZE=100))
    cfg.MODEL = Node(BACKBONE=Node(NAME="ViT-B/16"))
    cfg.OPTIM = Node(NAME="adam", LR=0.002, WEIGHT_DECAY=0.0, MAX_EPOCH=2, WARMUP_EPOCH=1, WARMUP_CONS_LR=1e-5)
    cfg.TRAIN = Node(PRINT_FREQ=5)
    cfg.TEST = Node(EVALUATOR="Classification", NO_TEST=False, SPLIT="test", FINAL_MODEL="last_step")
    cfg.TRAINER = Node(NAME="")
    return cfg
