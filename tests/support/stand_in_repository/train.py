"""A trainer with the habits of research code: a GPU, half precision, an absent package, and an end by `os._exit`."""

import argparse
import json
import os
from collections import defaultdict

import clip
import comet_ml
import numpy as np
import torch
from dassl.data.datasets import DATASET_REGISTRY, DatasetBase, Datum, build_dataset
from dassl.engine.build import TRAINER_REGISTRY, build_trainer
from dassl.evaluation.build import EVALUATOR_REGISTRY
from PIL import Image
from torch import nn


class Node(dict):
    def __getattr__(self, key):
        if key not in self:
            raise AttributeError(key)
        return self[key]

    def __setattr__(self, key, value):
        self[key] = value

    def defrost(self):
        pass


@DATASET_REGISTRY.register
class EuroSAT(DatasetBase):
    """The first images of each class."""

    def __init__(self, cfg):
        folder = os.path.join(cfg.DATASET.ROOT, "eurosat")
        with open(os.path.join(folder, "split_zhou_EuroSAT.json")) as file:
            split = json.load(file)
        parts = {}
        for part, items in split.items():
            by_label = defaultdict(list)
            for path, label, name in items:
                by_label[label].append(Datum(os.path.join(folder, "2750", path), label, name))
            most = None if part == "test" else int(cfg.DATASET.NUM_SHOTS)
            parts[part] = [datum for label in sorted(by_label) for datum in by_label[label][:most]]
        super().__init__(parts["train"], parts["val"], parts["test"])


@TRAINER_REGISTRY.register
class OffsetText:
    """Adds a trained offset to the rows of a linear classifier."""

    def __init__(self, cfg):
        self.cfg, self.data, self.epoch = cfg, build_dataset(cfg), 0
        self.clip = clip.load("ViT-B/16")[0]
        self.model = nn.Module()
        self.model.offset = nn.Parameter(torch.zeros(2, self.clip.words.shape[1], device="cuda:0"))
        self.optim = torch.optim.SGD(self.model.parameters(), lr=0.01)
        self.evaluator = EVALUATOR_REGISTRY.get("Classification")()

    def batch(self, items):
        size = 2 * [int(self.cfg.INPUT.SIZE.strip("()").split(",")[0])]
        arrays = [np.array(Image.open(item.impath).convert("RGB").resize(size)) for item in items]
        pixels = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255
        return pixels.cuda(), torch.tensor([item.label for item in items])

    def logits(self, pixels):
        rows = self.clip.words[:2] + self.model.offset
        return 10 * self.clip.encode_image(pixels)[:, : rows.shape[1]] @ rows.t()

    def forward_backward(self, batch):
        pixels, labels = batch
        loss = nn.functional.cross_entropy(self.logits(pixels), labels)
        self.optim.zero_grad()
        loss.backward()
        self.optim.step()
        comet_ml.log(float(loss))
        return {"loss": loss.item()}

    def train(self):
        for self.epoch in range(int(self.cfg.OPTIM.MAX_EPOCH)):
            self.forward_backward(self.batch(self.data.train_x))
        os.makedirs(self.cfg.OUTPUT_DIR)
        torch.save(self.model.state_dict(), "%s/model.pth.tar-%d" % (self.cfg.OUTPUT_DIR, self.epoch + 1))
        self.test()

    @torch.no_grad()
    def test(self):
        self.evaluator.reset()
        for start in range(0, len(self.data.test), 3):
            pixels, labels = self.batch(self.data.test[start : start + 3])
            self.evaluator.process(self.logits(pixels), labels)


parser = argparse.ArgumentParser()
for name in ("root", "seed", "trainer", "config-file", "dataset-config-file", "output-dir", "model-dir", "load-epoch"):
    parser.add_argument("--" + name)
parser.add_argument("--eval-only", action="store_true")
parser.add_argument("opts", nargs=argparse.REMAINDER)
args = parser.parse_args()
cfg = Node(TRAINER=args.trainer, OUTPUT_DIR=args.output_dir, OPTIM=Node(NAME="sgd", LR=0.01))
cfg.DATASET = Node(ROOT=args.root, NAME="EuroSAT")
for key, value in zip(args.opts[::2], args.opts[1::2]):
    node = cfg
    for part in key.split(".")[:-1]:
        node = node.setdefault(part, Node())
    node[key.split(".")[-1]] = value
trainer = build_trainer(cfg)
if args.eval_only:
    trainer.model.load_state_dict(torch.load("%s/model.pth.tar-%s" % (args.model_dir, args.load_epoch)))
    trainer.test()
else:
    trainer.train()
os._exit(0)
