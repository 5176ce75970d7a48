"""A repository of official code, `stand_in_fork/`, as a git checkout with the habits of real ones."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

SOURCE = Path(__file__).parent / "stand_in_fork"
TRAINER = "trainers/offset_text.py"
SETTINGS = "configs/trainers/OffsetText/vit.yaml"
SCRIPT = ("fork.script=scripts/train.sh", "fork.args={dataset} 0.5")
ADDRESS = "https://someone:secret@example.org/lab/stand-in.git"
"""Address of the repository; the part before @ must never be stored."""

Edit = tuple[str, str, str]
"""A file, a text in it and its replacement; an empty text means that the file is written."""

_OWN_WEIGHTS = """\
def own_weights(size, path):
    shapes = {
        "visual.conv1.weight": (64, 3, 8, 8),
        "visual.positional_embedding": (size**2 // 64 + 1, 64),
        "text_projection": (64, 32),
        "positional_embedding": (77, 64),
        "token_embedding.weight": (49408, 64),
    }
    torch.save({name: 0.02 * torch.randn(shape) for name, shape in shapes.items()}, path)

""".splitlines()


def _before(file: str, text: str, *lines: str) -> Edit:
    """Lines in front of a text, with its indentation."""
    indent = text[: len(text) - len(text.lstrip())]
    return file, text, "".join(f"{indent}{line}\n" for line in lines) + text


_IMPORT = "import comet_ml\n"
_LOAD_CLIP = "        clip_model = load_clip_to_cpu(cfg)\n"
_FORWARD = "    def forward_backward"
_STEP = "        self.optim.zero_grad()\n"
_LOGITS = "        return self.logit_scale.exp()"
_ALL_LOGITS = f"{_LOGITS} * features @ texts.t()"
_DATA = "dassl/data/data_manager.py"
_CLASSES = "        self.num_classes, self"

HABITS: Mapping[str, Sequence[Edit]] = {
    "leaves without cleaning up": [
        ("train.py", "\nif __name__", "\nimport os\nimport sys\n\nif __name__"),
        ("train.py", "parser.parse_args())\n", "parser.parse_args())\n    sys.__stdout__.close()\n    os._exit(0)\n"),
    ],
    "settings of a dataset without its class": [("datasets/eurosat.py", "@DATASET_REGISTRY.register()\n", "")],
    "settings of datasets in a folder of their own": [
        ("configs/datasets/few_shot/eurosat.yaml", "", "DATASET:\n  NAME: EuroSAT\n"),
        ("configs/datasets/eurosat.yaml", "EuroSAT", "EuroSATOld"),
    ],
    "breakpoints": [_before(TRAINER, _STEP, "import pdb", "breakpoint()", "pdb.set_trace()")],
    "a number from an array of one value": [_before(TRAINER, _STEP, "float(torch.ones(1).numpy())")],
    "weights from an archive only": [
        (TRAINER, "    except RuntimeError:\n", "    except ZeroDivisionError:\n"),
    ],
    "second derivatives of attention": [
        _before(
            TRAINER,
            _STEP,
            "query = torch.ones(1, 1, 4, 8, requires_grad=True)",
            "attended = F.scaled_dot_product_attention(query, query, query).square().sum()",
            "(slope,) = torch.autograd.grad(attended, query, create_graph=True)",
            "slope.square().sum().backward()",
        )
    ],
    "vocabulary that was not committed": [
        (
            "clip/simple_tokenizer.py",
            'package = importlib.util.find_spec("open_clip").submodule_search_locations[0]',
            "package = os.path.dirname(os.path.abspath(__file__))",
        )
    ],
    "never tests": [_before(SETTINGS, "OPTIM:\n", "TEST:", "  NO_TEST: True")],
    "optimiser that Dassl lacks": [(SETTINGS, '"adam"', '"adagrad"')],
    "tests after each epoch": [
        _before(TRAINER, _FORWARD, "def after_epoch(self):", "    super().after_epoch()", "    self.test()", "")
    ],
    "package that is absent": [
        _before(TRAINER, _IMPORT, "import optimal_plans_3"),
        _before(TRAINER, _STEP, "optimal_plans_3.sinkhorn(loss)"),
    ],
    "module that was not committed": [
        _before(TRAINER, _IMPORT, "from trainers.parts.losses import penalty"),
        ("trainers/parts/losses.py", "", "penalty = 1\n"),
    ],
    "two trainers": [
        (
            "trainers/second.py",
            "",
            "from dassl.engine import TRAINER_REGISTRY, TrainerX\n\n\n"
            "@TRAINER_REGISTRY.register()\nclass SecondTrainer(TrainerX):\n    pass\n",
        )
    ],
    "teacher": [_before(TRAINER, _LOAD_CLIP, 'self.teacher = torch.load("teachers/ViT-L-14_eurosat.pth")')],
    "crash": [_before(TRAINER, _STEP, 'raise ValueError("the weights of the loss\\ndo not fit")')],
    "scores that are no numbers": [(TRAINER, _ALL_LOGITS, f'{_ALL_LOGITS} * float("nan")')],
    "hang": [_before(TRAINER, _STEP, "import time", "time.sleep(3600)")],
    "too few predictions": [(_DATA, "loader(dataset.test,", "loader(dataset.test[:-1],")],
    "one class more": [
        (TRAINER, "F.normalize(self.texts +", "F.normalize(torch.cat([self.texts, self.texts[:1]]) +"),
    ],
    "labels in another order": [
        _before(
            _DATA,
            _CLASSES,
            "for item in (*dataset.train_x, *dataset.test):",
            "    item.label = dataset.num_classes - 1 - item.label",
        )
    ],
    "own training images": [_before(_DATA, _CLASSES, "dataset.train_x = dataset.train_x[:-1]")],
    "reads an image of its own": [
        _before(TRAINER, _IMPORT, "from PIL import Image"),
        _before(TRAINER, _LOAD_CLIP, 'Image.new("RGB", (4, 4)).save("own.png")', 'Image.open("own.png")'),
    ],
    "RN50": [(SETTINGS, "ViT-B/16", "RN50")],
    "weights of its own": [
        (TRAINER, "model_path = clip._download(url)", 'model_path = "own.pt"'),
        _before(TRAINER, "    try:\n", "own_weights(cfg.INPUT.SIZE[0], model_path)"),
        _before(TRAINER, "def load_clip_to_cpu", *_OWN_WEIGHTS),
    ],
    "works without a GPU and with today's torch": [
        (TRAINER, "clip_model.cuda().encode_text(prompts.cuda())", "clip_model.encode_text(prompts)"),
        (TRAINER, 'device="cuda:0"', 'device="cpu"'),
        ("train.py", 'PREC = "fp16"', 'PREC = "fp32"'),
        ("dassl/optim/lr_scheduler.py", "last_epoch, verbose)\n", "last_epoch)\n"),
        ("dassl/engine/trainer.py", 'torch.load(path, map_location="cpu")', "torch.load(path, weights_only=False)"),
    ],
    "no trainer": [(TRAINER, "@TRAINER_REGISTRY.register()\n", "")],
    "no Dassl": [],
}
"""What a repository does, by name: the edits that make the stand-in do it."""


PACKAGES = {
    "tabulate.py": "import sys, types\nwriter = types.SimpleNamespace(close=lambda: 0, add_scalar=lambda *a: 0)\n"
    "board = types.ModuleType('torch.utils.tensorboard')\nboard.SummaryWriter = lambda log_dir: writer\n"
    "sys.modules[board.__name__] = board\ntabulate = str\n",
    "comet_ml.py": "class Experiment:\n    def __init__(self, project_name): pass\n"
    "    def log_metric(self, name, value): pass\n",
}
"""Packages of the author's environment, which log."""


def make_fork(folder: Path, *habits: str) -> Path:
    """A checkout of the stand-in with these habits, in a new folder; returns it."""
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    if "no Dassl" in habits:
        shutil.rmtree(folder / "dassl")
    for habit in habits:
        for edit in HABITS[habit]:
            apply(folder, edit)
    git(folder, "init", "-q")
    git(folder, "remote", "add", "origin", ADDRESS)
    commit(folder)
    return folder


def apply(folder: Path, edit: Edit) -> None:
    file, old, new = edit
    path = folder / file
    if not old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(new)
        return
    text = path.read_text()
    assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
    path.write_text(text.replace(old, new))


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "Official code")


def git(folder: Path, *words: str) -> str:
    """The output of git, which reads no settings of the user and knows no clock."""
    nobody = {"NAME": "A Lab", "EMAIL": "lab@example.org", "DATE": "2026-01-02T03:04:05Z"}
    people = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in nobody.items()}
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    done = subprocess.run(
        ["git", "-C", str(folder), *words],
        env=os.environ | people | settings,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
