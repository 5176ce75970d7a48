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

_RETURN_LOGITS = "return self.logit_scale.exp() * features @ texts.t()"
_LAST_LINE = "    main(parser.parse_args())\n"
_ZERO = "self.optim.zero_grad()"

HABITS: Mapping[str, Sequence[Edit]] = {
    "leaves without cleaning up": [
        ("train.py", _LAST_LINE, "    main(parser.parse_args())\n    import os\n\n    os._exit(0)\n")
    ],
    "never tests": [(SETTINGS, "OPTIM:\n", "TEST:\n  NO_TEST: True\nOPTIM:\n")],
    "optimiser that Dassl lacks": [(SETTINGS, '"adam"', '"adagrad"')],
    "tests after each epoch": [
        (
            TRAINER,
            "    def forward_backward",
            "    def after_epoch(self):\n        super().after_epoch()\n        self.test()\n\n    def forward_backward",
        )
    ],
    "package that is absent": [
        (TRAINER, "import comet_ml\n", "import comet_ml\nimport optimal_plans_3\n"),
        (TRAINER, _ZERO, f"optimal_plans_3.sinkhorn(loss)\n        {_ZERO}"),
    ],
    "module that was not committed": [
        (TRAINER, "import comet_ml\n", "import comet_ml\nfrom trainers.parts.losses import penalty  # noqa\n"),
        ("trainers/parts/losses.py", "", "penalty = 1\n"),
    ],
    "two trainers": [
        (
            "trainers/second.py",
            "",
            "from dassl.engine import TRAINER_REGISTRY, TrainerX\n\n\n@TRAINER_REGISTRY.register()\nclass SecondTrainer(TrainerX):\n    pass\n",
        ),
    ],
    "teacher": [
        (
            TRAINER,
            "        clip_model = load",
            '        self.teacher = torch.load("teachers/ViT-L-14_eurosat.pth")\n        clip_model = load',
        )
    ],
    "crash": [(TRAINER, _ZERO, f'raise ValueError("the weights of the loss\\ndo not fit")\n        {_ZERO}')],
    "calls a library wrongly": [
        (TRAINER, _ZERO, f"torch.optim.Adam(self.model.parameters(), fused_lr=1)\n        {_ZERO}")
    ],
    "scores that are no numbers": [(TRAINER, _RETURN_LOGITS, f'{_RETURN_LOGITS} * float("nan")')],
    "hang": [(TRAINER, _ZERO, f"import time\n\n        time.sleep(3600)\n        {_ZERO}")],
    "too few predictions": [
        ("dassl/data/data_manager.py", "loader(dataset.test,", "loader(dataset.test[:-1],"),
    ],
    "one class more": [
        (
            TRAINER,
            _RETURN_LOGITS,
            "logits = self.logit_scale.exp() * features @ texts.t()\n        return torch.cat([logits, logits[:, :1]], dim=1)",
        )
    ],
    "labels in another order": [
        (
            "dassl/data/data_manager.py",
            "        self.num_classes, self",
            "        for item in (*dataset.train_x, *dataset.test):\n            item.label = dataset.num_classes - 1 - item.label\n        self.num_classes, self",
        )
    ],
    "own training images": [
        (
            "dassl/data/data_manager.py",
            "        self.num_classes, self",
            "        dataset.train_x = dataset.train_x[:-1]\n        self.num_classes, self",
        )
    ],
    "reads an image of its own": [
        (TRAINER, "import comet_ml\n", "import comet_ml\nfrom PIL import Image\n"),
        (
            TRAINER,
            "        clip_model = load",
            '        Image.new("RGB", (4, 4)).save("own.png")\n        Image.open("own.png")\n        clip_model = load',
        ),
    ],
    "RN50": [(SETTINGS, "ViT-B/16", "RN50")],
    "weights of its own": [
        (
            TRAINER,
            "        clip_model = load_clip_to_cpu(cfg)\n",
            '        width, output = 64, 32\n        from clip.model import CLIP\n\n        names = ["visual.conv1.weight", "visual.positional_embedding", "text_projection", "positional_embedding"]\n        shapes = [(width, 3, 8, 8), (self.cfg.INPUT.SIZE[0] ** 2 // 64 + 1, width), (width, output), (77, width)]\n        state = {name: torch.zeros(shape) for name, shape in zip(names, shapes, strict=True)}\n        state["token_embedding.weight"] = torch.zeros(49408, width)\n        clip_model = CLIP(state)\n        for parameter in clip_model.parameters():\n            nn.init.normal_(parameter, std=0.02)\n',
        ),
    ],
    "no trainer": [(TRAINER, "@TRAINER_REGISTRY.register()\n", "")],
    "no Dassl": [],
}
"""What a repository does, by name: the edits that make the stand-in do it."""


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
