"""Runs official repositories beside this project on EuroSAT and prints the table of docs/parity.md.

    PYTHONPATH=.:tests/support python tests/official/compare.py --checkouts FOLDER --eurosat FOLDER [--steps 30]

FOLDER of the checkouts has a folder for each name in `COMMITS` of `official_jobs.py`;
that of EuroSAT has `2750/` and `split_zhou_EuroSAT.json`. What is absent is left out with its reason. Official code
needs packages besides ours (yacs, scikit-learn; LP++ pandas), and runs on the CPU in a process of its own for each row.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from official_jobs import COMMITS, COMPARISONS, SHOTS, Comparison
from our_side import run_ours
from recorded_run import RecordedRun

from methods import load_backbone, parse_backbone

HERE = Path(__file__).parent
SPLIT = "split_zhou_EuroSAT.json"
QUIET = 1e-4
"""Difference of logits up to which the noise is not measured."""
NOISE_FACTOR = 5
"""Differences up to this times the noise are called rounding, as in the comparison with the re-implementation."""


@dataclass(frozen=True)
class Row:
    """How one official training and ours compare.

    Args:
        images: test predictions compared; `alike` of them are equal; `classes` are predicted at least once.
        draw: whether the lists of training and validation images are equal, in order.
        loss: largest difference of the loss over the steps, relative to the official loss.
        logits: largest difference of the final logits; `moved`: largest change of official logits by the training.
        noise: largest change of our logits by a change like rounding, of three; None: not measured.
    """

    name: str
    seed: int
    split: str
    steps: int
    draw: bool
    images: int
    alike: int
    classes: int
    accuracy: float
    our_accuracy: float
    loss: float
    logits: float
    moved: float | None
    noise: float | None = None

    @property
    def agrees(self) -> bool:
        """Whether the draws are equal, and the predictions too, or their difference is one that rounding explains."""
        return self.draw and (self.alike == self.images or self.logits <= NOISE_FACTOR * (self.noise or 0.0))


def missing(one: Comparison, checkouts: Path) -> str:
    """Why a comparison cannot run; empty if it can."""
    for name in one.needs:
        if not (checkouts / name).is_dir():
            return f"no checkout of {name} (commit {COMMITS[name]}) at {checkouts / name}"
    absent = [package for package in one.packages if importlib.util.find_spec(package) is None]
    return f"needs the package {absent[0]}" if absent else ""


def eurosat_reason(eurosat: Path) -> str:
    """Why this folder is not EuroSAT in CoOp's layout; empty if it is."""
    absent = [name for name in ("2750", SPLIT) if not (eurosat / name).exists()]
    return f"no EuroSAT: {eurosat / absent[0]} does not exist" if absent else ""


def other_commit(path: Path, commit: str) -> str:
    """The commit of a checkout if it is another than the comparison was written for; empty if not, or not known."""
    asked = subprocess.run(["git", "-C", str(path), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return "" if asked.returncode or asked.stdout.startswith(commit) else asked.stdout[:7]


def compare(one: Comparison, *, checkouts: Path, eurosat: Path, seed: int, steps: int) -> list[Row]:
    """Run one comparison; one row for each split that is tested."""
    with TemporaryDirectory() as folder:
        work = Path(folder)
        root = work / "data"  # a folder of its own, as the official code writes its draws beside the images
        (root / "eurosat").mkdir(parents=True)
        (root / "eurosat/2750").symlink_to((eurosat / "2750").absolute(), target_is_directory=True)
        (root / "eurosat" / SPLIT).write_bytes((eurosat / SPLIT).read_bytes())
        official = run_official(one, checkouts=checkouts.absolute(), root=root, work=work, seed=seed, steps=steps)
        run = partial(run_ours, one, official, seed=seed, steps=steps, root=root)
        ours = run(runs=work / "runs")
        found = list(rows(one, official, ours, seed))
        if max(row.logits for row in found) > QUIET:
            noisy = [run(runs=work / f"runs{noise}", noise=noise) for noise in (1, 2, 3)]
            found = [replace(row, noise=changed(ours, noisy, row.split)) for row in found]
    return found


def changed(ours: RecordedRun, others: Sequence[RecordedRun], split: str) -> float:
    """The largest difference between the logits of one split and those of the other runs."""
    return max(float((ours.logits[split] - other.logits[split]).abs().max()) for other in others)


def run_official(one: Comparison, *, checkouts: Path, root: Path, work: Path, seed: int, steps: int) -> dict[str, Any]:
    """The recording of the official code, which runs in a process of its own."""
    backbone = load_backbone(parse_backbone(one.backbone))
    torch.save(backbone.model.state_dict(), work / "clip.pt")
    n_classes = len({label for _, label, _ in json.loads((root / "eurosat" / SPLIT).read_text())["train"]})
    trained_classes = (n_classes + 1) // 2 if one.classes == "base" else n_classes
    size = backbone.image_size
    opts = [
        "OPTIM.MAX_EPOCH", steps, "USE_CUDA", False, "INPUT.SIZE", [size, size], "INPUT.TRANSFORMS", ["normalize"],
        "VERBOSE", False,
        "DATASET.NUM_SHOTS", SHOTS, "DATALOADER.NUM_WORKERS", 0, "DATALOADER.TRAIN_X.SAMPLER", "SequentialSampler",
        "DATALOADER.TRAIN_X.BATCH_SIZE", SHOTS * trained_classes, *one.opts,
    ]  # fmt: skip
    repo_of_config = checkouts / ("CoOp" if one.repo == "CLIP-Adapter" else one.repo)
    job = {
        "repo": str(repo_of_config), "also": [str(checkouts / path) for path in (one.repo, *one.also)],
        "root": str(root), "shots": SHOTS, "settings": dict(one.settings), "output": str(work / "output"),
        "weights": str(work / "clip.pt"), "result": str(work / "official.npz"), "seed": seed, "steps": steps,
        "trainer": one.trainer, "module": one.module, "patch": one.patch,
        "config_file": one.config_file, "opts": opts, "classes": one.classes,
        "clip": {
            "image": size, "embed": backbone.embed_dim, "text_width": backbone.text_width,
            "vision_width": backbone.vision_width,
        },
    }  # fmt: skip
    (work / "job.json").write_text(json.dumps(job))
    command = [sys.executable, str(HERE / "official_side.py"), str(work / "job.json")]
    finished = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(
            f"{one.name}: the official code failed.\n{finished.stdout[-2000:]}\n{finished.stderr[-4000:]}"
        )
    with np.load(work / "official.npz") as arrays:
        return dict(arrays)


def rows(one: Comparison, official: dict[str, Any], ours: RecordedRun, seed: int) -> Iterator[Row]:
    """Compare draws, losses and predictions. Raises ValueError if the test images are not the same."""
    draw = same_images(ours.task.support.samples, official, "train")
    if one.same_validation:
        draw = draw and same_images(ours.task.validation.samples, official, "val")
    loss = float(np.max(np.abs(np.array(ours.losses) / official["losses"] - 1)))
    for i, split in enumerate(ours.task.evals):
        theirs, mine = official["logits" if i == 0 else "logits_new"], ours.logits[split.name].numpy()
        if i == 0 and not same_images(split.samples, official, "test"):
            raise ValueError(f"{one.name}: the test images differ.")
        labels = np.array([sample.label for sample in split.samples])
        same = theirs.argmax(axis=1) == mine.argmax(axis=1)
        before = official.get("logits_before") if i == 0 else None
        yield Row(
            one.name, seed, split.name, len(ours.losses), draw, len(same), int(same.sum()),
            len(np.unique(theirs.argmax(axis=1))),
            float((theirs.argmax(axis=1) == labels).mean()), float((mine.argmax(axis=1) == labels).mean()),
            loss, float(np.abs(theirs - mine).max()), None if before is None else float(np.abs(theirs - before).max()),
        )  # fmt: skip


def same_images(samples: Sequence[Any], official: dict[str, Any], part: str) -> bool:
    """Whether a list of ours has the official images and labels, in order."""
    mine = [("/".join(Path(sample.key).parts[-2:]), sample.label) for sample in samples]
    theirs = list(zip(official[f"{part}_images"].tolist(), official[f"{part}_labels"].tolist(), strict=True))
    return mine == theirs


def table(found: Sequence[Row]) -> str:
    """The table of docs/parity.md: a line for each training and split, with the seeds together."""
    lines = [
        "| training | tested on | seeds | same draw | predictions alike | classes predicted "
        "| accuracy, official / ours, % | loss | logits (noise) | moved |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, split in dict.fromkeys((row.name, row.split) for row in found):
        some = [row for row in found if (row.name, row.split) == (name, split)]
        accuracies = ", ".join(f"{100 * row.accuracy:.1f} / {100 * row.our_accuracy:.1f}" for row in some)
        moved = [row.moved for row in some if row.moved is not None]
        noise = [row.noise for row in some if row.noise is not None]
        classes = sorted({row.classes for row in some})
        logits = f"{max(row.logits for row in some):.0e}" + (f" ({max(noise):.0e})" if noise else "")
        lines.append(
            f"| {name} | {split} | {', '.join(str(row.seed) for row in some)} "
            f"| {'yes' if all(row.draw for row in some) else 'NO'} "
            f"| {sum(row.alike for row in some)} of {sum(row.images for row in some)} "
            f"| {classes[0]}{f' to {classes[-1]}' if len(classes) > 1 else ''} | {accuracies} "
            f"| {max(row.loss for row in some):.0e} | {logits} "
            f"| {f'{min(moved):.2g}' if moved else ''} |"
        )
    return "\n".join(lines)


def note(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 0 if all rows agree, 1 if not, 2 if nothing could run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkouts", type=Path, required=True)
    parser.add_argument("--eurosat", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--only", default="", help="names of methods, with commas")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    options = parser.parse_args(arguments)
    if reason := eurosat_reason(options.eurosat):
        note(f"skipped: {reason}")
        return 2
    for name, commit in COMMITS.items():
        if found := (options.checkouts / name).is_dir() and other_commit(options.checkouts / name, commit):
            note(f"{name} is at {found}; the comparison was written for {commit}")
    found_rows: list[Row] = []
    for one in COMPARISONS:
        if options.only and one.method not in options.only.split(","):
            continue
        if reason := missing(one, options.checkouts):
            note(f"skipped: {one.name}: {reason}")
            continue
        for seed in one.seeds or map(int, options.seeds.split(",")):
            found_rows += compare(
                one, checkouts=options.checkouts, eurosat=options.eurosat, seed=seed, steps=options.steps
            )
            note(table(found_rows[-1:]).splitlines()[-1])
    if not found_rows:
        return 2
    alike, images = sum(row.alike for row in found_rows), sum(row.images for row in found_rows)
    sys.stdout.write(f"{table(found_rows)}\n\n{alike} of {images} predictions alike\n")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in found_rows], indent=1) + "\n")
    return int(not all(row.agrees for row in found_rows))


if __name__ == "__main__":
    sys.exit(main())
