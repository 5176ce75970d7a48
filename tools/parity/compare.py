"""Runs official repositories beside this project on EuroSAT and prints the table of docs/parity.md.

    PYTHONPATH=.:tests/support python tools/parity/compare.py --checkouts FOLDER --eurosat FOLDER [--steps 30]

FOLDER of the checkouts has the clones in `COMMITS` of `comparison_jobs.py`; that of EuroSAT has `2750/` and
`split_zhou_EuroSAT.json`. What is absent is left out with its reason. The official code runs in a
copy below `recording_side.py`, on our images, draw and weights. It needs packages besides ours; `--python` is an
interpreter that has them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import resources
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from comparison_jobs import COMMITS, COMPARISONS, SHOTS, Comparison
from official_task import class_lists, weights_file
from our_side import run_ours
from PIL import Image
from recorded_run import RecordedRun
from torchvision import transforms
from tuned_clips import CLIPS, MEAN, STD, tuned_clip
from tuned_teacher import tuned_teacher

from datasets_registry import get_dataset
from methods import load_backbone, parse_backbone

HERE = Path(__file__).parent
SPLIT = "split_zhou_EuroSAT.json"
QUIET = 1e-4
"""Difference of logits up to which the noise is not measured."""
SMALLEST = 1e-3
"""Of smaller losses, differences are relative to this."""
NOISE_FACTOR = 5
"""Differences up to this times the noise are called rounding, as in the comparison with the re-implementation."""


@dataclass(frozen=True)
class Row:
    """How one official training and ours compare.

    Args:
        images: test predictions compared; `alike` of them are equal; `classes` are predicted at least once.
        draw: whether the lists of training and validation images that each side draws are equal, in order; None: the
            official code got our draw.
        loss: largest difference of the loss over the steps, relative to the official loss, or to `SMALLEST`; None: not
            compared.
        logits: largest difference of the final logits; `moved`: largest change of official logits by the training.
        noise: largest change of our logits by a change like rounding, of three; None: not measured.
        cpu: CPU seconds of the official training and of ours, the medians of all turns; `wall`: seconds; None: the
            official code does not train.
    """

    name: str
    seed: int
    split: str
    steps: int
    draw: bool | None
    images: int
    alike: int
    classes: int
    accuracy: float
    our_accuracy: float
    loss: float | None
    logits: float
    moved: float | None
    noise: float | None = None
    cpu: tuple[float, float] | None = None
    wall: tuple[float, float] | None = None

    @property
    def agrees(self) -> bool:
        """Whether the draws are equal, and the predictions too, or their difference is one that rounding explains."""
        return self.draw is not False and (
            self.alike == self.images or self.logits <= NOISE_FACTOR * (self.noise or 0.0)
        )


def missing(one: Comparison, checkouts: Path) -> str:
    """Why a comparison cannot run; empty if it can."""
    absent = [name for name in one.needs if not (checkouts / name).is_dir()]
    return f"no clone of {absent[0]} (commit {COMMITS[absent[0]]}) at {checkouts / absent[0]}" if absent else ""


def eurosat_reason(eurosat: Path) -> str:
    """Why this folder is not EuroSAT in CoOp's layout; empty if it is."""
    absent = [name for name in ("2750", SPLIT) if not (eurosat / name).exists()]
    return f"no EuroSAT: {eurosat / absent[0]} does not exist" if absent else ""


def other_commit(path: Path, commit: str) -> str:
    """The commit of a checkout if it is another than the comparison was written for; empty if not, or not known."""
    asked = subprocess.run(["git", "-C", str(path), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return "" if asked.returncode or asked.stdout.startswith(commit) else asked.stdout[:7]


def compare(one: Comparison, places: Places, *, seed: int, steps: int, turns: int = 1) -> list[Row]:
    """Run one comparison; one row for each split that is tested. The two sides take turns, for their times."""
    with TemporaryDirectory() as folder:
        work = Path(folder)
        root = work / "data"  # a folder of its own, as the official code writes its draws beside the images
        (root / "eurosat").mkdir(parents=True)
        (root / "eurosat/2750").symlink_to((places.eurosat / "2750").absolute(), target_is_directory=True)
        (root / "eurosat" / SPLIT).write_bytes((places.eurosat / SPLIT).read_bytes())
        backbone = places.backbone(one.backbone)
        teacher = None
        if one.teacher:
            teacher = tuned_teacher(
                places.backbone(one.teacher), root=root, split=places.eurosat / SPLIT, folder=work, seed=seed
            )
        times = []
        for turn in range(turns):
            part = work / f"turn{turn}"
            part.mkdir()
            given = {} if teacher is None else teacher.given
            official = run_official(
                one, places, backbone=backbone, root=root, work=part, seed=seed, steps=steps, given=given
            )
            run = partial(
                run_ours, one, official, backbone=backbone, seed=seed, steps=steps, root=root, teacher=teacher
            )
            ours, seconds = run(runs=part / "runs")
            if "seconds" in official:
                times.append((official["seconds"], seconds))
        found = list(rows(one, official, ours, seed))
        if one.trains and max(row.logits for row in found) > QUIET:
            noisy = [run(runs=work / f"runs{noise}", noise=noise)[0] for noise in (1, 2, 3)]
            found = [replace(row, noise=changed(ours, noisy, row.split)) for row in found]
    if times:
        cpu, wall = (tuple(float(median(each[side][i] for each in times)) for side in (0, 1)) for i in (0, 1))
        found = [replace(row, cpu=cpu, wall=wall) for row in found]
    return found


@dataclass(frozen=True)
class Places:
    """Where things are: clones, EuroSAT, tuned CLIPs, and the interpreter of the official code."""

    checkouts: Path
    eurosat: Path
    clips: Path
    python: str = sys.executable

    def backbone(self, name: str) -> str:
        """The name of a backbone for the harness; a small CLIP is tuned first if it is not there."""
        if name not in CLIPS:
            return name
        split = json.loads((self.eurosat / SPLIT).read_text())
        items = [*split["train"], *split["val"]]
        names = {label: title.replace("_", " ") for _, label, title in items}
        side = CLIPS[name].image
        size = transforms.Resize(side, transforms.InterpolationMode.BICUBIC)
        tensor = transforms.Compose(
            [size, transforms.CenterCrop(side), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
        )
        pixels = torch.stack([tensor(_opened(self.eurosat / "2750" / path)) for path, _, _ in items])
        labels = torch.tensor([label for _, label, _ in items])
        made = tuned_clip(name, self.clips, pixels, labels, [names[label] for label in sorted(names)])
        return f"local-dir:{made.absolute()}"


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def changed(ours: RecordedRun, others: Sequence[RecordedRun], split: str) -> float:
    """The largest difference between the logits of one split and those of the other runs."""
    return max(float((ours.logits[split] - other.logits[split]).abs().max()) for other in others)


class OfficialCodeError(RuntimeError):
    """Official code ended without scores."""


def run_official(
    one: Comparison,
    places: Places,
    *,
    backbone: str,
    root: Path,
    work: Path,
    seed: int,
    steps: int,
    given: Mapping[str, object],
) -> dict[str, Any]:
    """The recordings of the official code, which runs in a copy of its files: on our images, draw and weights."""
    repo = work / "repository"
    shutil.copytree(places.checkouts / one.repo, repo, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    add_vocabulary(repo)
    lists = class_lists(one.protocol, backbone=backbone, root=root, shots=SHOTS, seed=seed)
    images, weights = work / "images.json", work / "weights.pt"
    images.write_text(json.dumps(lists))
    clip = load_backbone(parse_backbone(backbone))
    weights_file(clip, weights)
    opts = _opts(one, root, steps)
    job = {
        "repo": str(repo), "path": [*dassl_of(repo), *(str(places.checkouts / name) for name in one.also)],
        "weights": str(weights), "images": str(images), "threads": 1, "root": str(root), "draws": one.draws,
        "order": one.order, "kept": list(one.kept), "steps": steps, "lr": one.lr, "opts": opts, "given": given,
    }  # fmt: skip
    if one.adapter:
        job |= {
            "places": [str(repo)], "adapter": str(HERE / "adapters" / f"{one.adapter}.py"), "seed": seed,
            "shots": SHOTS, "size": clip.image_size, "template": get_dataset("eurosat").template,
        }  # fmt: skip
        return recordings(one, places.python, job, repo, work / "adapter.npz")
    folder = folder_of_script(repo, one.config_file)
    output, size = work / "output", (clip.image_size,) * 2
    job["places"] = [str(folder), str(repo)]

    def words(part: str, output: Path, *more: str) -> list[str]:
        (dataset_file, *_) = sorted(folder.rglob("datasets/eurosat.yaml"))
        return [
            "train.py", *more, "--trainer", one.trainer, "--config-file", one.config_file, "--root", str(output),
            "--seed", str(seed), "--output-dir", str(output), "--dataset-config-file", str(dataset_file),
            "DATASET.NUM_SHOTS", str(SHOTS), "DATASET.SUBSAMPLE_CLASSES", part, "INPUT.SIZE", str(size), *opts,
        ]  # fmt: skip

    recorded = recordings(one, places.python, job | {"argv": words(one.classes, output)}, folder, work / "train.npz")
    if "new" in lists:
        epochs = (int(file.name.rpartition("-")[2]) for file in output.rglob("model.pth.tar-*"))
        more = ("--eval-only", "--model-dir", str(output), "--load-epoch", str(max(epochs)))
        job["argv"] = words("new", work / "new", *more)
        recorded["logits_new"] = recordings(one, places.python, job, folder, work / "new.npz")["logits"]
    return recorded


def recordings(one: Comparison, python: str, job: Mapping[str, object], folder: Path, out: Path) -> dict[str, Any]:
    """What a process of the official code recorded; raises OfficialCodeError with the end of its output."""
    job_file, log = out.with_suffix(".json"), out.with_suffix(".log")
    job_file.write_text(json.dumps({**job, "out": str(out)}))
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")
                   if name in os.environ}  # fmt: skip
    environment |= {"HOME": str(out.parent), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as file:
        done = subprocess.run(
            [python, "-W", "ignore", str(HERE / "recording_side.py"), str(job_file)],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    if done.returncode:
        last = log.read_text(errors="replace").splitlines()[-20:]
        raise OfficialCodeError("\n".join([f"{one.repo} ended with {done.returncode}:", *last]))
    with np.load(out) as arrays:
        recorded = dict(arrays)
    parts = {"base": "logits", "all": "logits", "new": "logits_new"}
    return {parts.get(name.removeprefix("logits/"), name): value for name, value in recorded.items()}


def add_vocabulary(repo: Path) -> None:
    """CLIP's vocabulary beside each copy of its tokenizer, since some authors do not commit it."""
    for module in repo.rglob("simple_tokenizer.py"):
        place = module.with_name("bpe_simple_vocab_16e6.txt.gz")
        if not place.exists():
            place.write_bytes(resources.files("open_clip").joinpath(place.name).read_bytes())


def dassl_of(repo: Path) -> list[str]:
    """The folder in which a repository has its own copy of Dassl, if it has one."""
    copies = sorted(repo.rglob("dassl/__init__.py"), key=lambda path: len(path.parts))
    return [str(path.parent.parent) for path in copies[:1]]


def folder_of_script(repo: Path, config_file: str) -> Path:
    """The folder, nearest to the root, from which the authors start `train.py` with that file of settings."""
    folders = [path.parent for path in repo.rglob("train.py") if (path.parent / config_file).is_file()]
    if not folders:
        raise OfficialCodeError(f"{repo.name} has no train.py with {config_file} beside it.")
    return min(folders, key=lambda folder: len(folder.parts))


def _opts(one: Comparison, root: Path, steps: int) -> list[str]:
    """Changes to the official settings: one batch of all images in order, and no augmentation."""
    n_classes = len({label for _, label, _ in json.loads((root / "eurosat" / SPLIT).read_text())["train"]})
    trained_classes = (n_classes + 1) // 2 if one.classes == "base" else n_classes
    words = (
        "OPTIM.MAX_EPOCH", steps, "INPUT.TRANSFORMS", ["normalize"], "VERBOSE", False, "DATALOADER.NUM_WORKERS", 0,
        "DATALOADER.TRAIN_X.SAMPLER", "SequentialSampler",
        "DATALOADER.TRAIN_X.BATCH_SIZE", one.passes * SHOTS * trained_classes, *one.opts,
    )  # fmt: skip
    return [str(word) for word in words]


def rows(one: Comparison, official: dict[str, Any], ours: RecordedRun, seed: int) -> Iterator[Row]:
    """Compare draws, losses and predictions. Raises ValueError if the test images are not the same."""
    draw = None
    if one.draws:
        parts = {"train": ours.task.support.samples, "val": ours.task.validation.samples}
        draw = all(same_images(samples, official, part) for part, samples in parts.items())
    loss = None
    if one.loss:
        official_losses = official[f"loss/{one.loss}"]
        differences = np.abs(np.array(ours.losses) - official_losses)
        loss = float(np.max(differences / np.maximum(np.abs(official_losses), SMALLEST)))
    for i, split in enumerate(ours.task.evals):
        theirs, mine = official["logits" if i == 0 else "logits_new"], ours.logits[split.name].numpy()
        if i == 0 and one.draws and not same_images(split.samples, official, "test"):
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
        "| training | tested on | same draw | predictions alike | classes predicted "
        "| accuracy, official/ours, % | loss | logits (noise) | moved |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, split in dict.fromkeys((row.name, row.split) for row in found):
        some = [row for row in found if (row.name, row.split) == (name, split)]
        accuracies = ", ".join(f"{100 * row.accuracy:.1f}/{100 * row.our_accuracy:.1f}" for row in some)
        moved = [row.moved for row in some if row.moved is not None]
        noise = [row.noise for row in some if row.noise is not None]
        losses = [row.loss for row in some if row.loss is not None]
        classes = sorted({row.classes for row in some})
        logits = f"{max(row.logits for row in some):.0e}" + (f" ({max(noise):.0e})" if noise else "")
        lines.append(
            f"| {name.removesuffix(', base to new')} | {split} | {_draws(some)} "
            f"| {sum(row.alike for row in some)}/{sum(row.images for row in some)} "
            f"| {classes[0]}{f' to {classes[-1]}' if len(classes) > 1 else ''} | {accuracies} "
            f"| {f'{max(losses):.0e}' if losses else ''} | {logits} "
            f"| {f'{min(moved):.2g}' if moved else ''} |"
        )
    return "\n".join(lines)


def _draws(some: Sequence[Row]) -> str:
    drawn = [row.draw for row in some if row.draw is not None]
    return "ours" if not drawn else "yes" if all(drawn) else "NO"


def times_table(found: Sequence[Row]) -> str:
    """The table of times in docs/performance.md: a line for each training, with the medians of the seeds."""
    lines = [
        "| training | steps | official, CPU s | ours, CPU s | official / ours |",
        "|---|---|---|---|---|",
    ]
    ratios = []
    for name in dict.fromkeys(row.name for row in found if row.cpu):
        some = {row.seed: row for row in found if row.name == name}.values()
        official, ours = (median(row.cpu[side] for row in some if row.cpu) for side in (0, 1))
        ratios.append(official / ours)
        steps = next(iter(some)).steps
        lines.append(f"| {name} | {steps} | {official:.2f} | {ours:.2f} | {ratios[-1]:.1f} |")
    if not ratios:
        return ""
    lines += ["", f"{len(ratios)} trainings: the median ratio is {median(ratios):.1f}, the lowest {min(ratios):.1f}."]
    return "\n".join(lines)


def note(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit status 0 if all rows agree, 1 if not, 2 if nothing could run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkouts", type=Path, required=True)
    parser.add_argument("--eurosat", type=Path, required=True)
    parser.add_argument("--python", default=sys.executable, help="interpreter with the packages of the official code")
    parser.add_argument("--clips", type=Path, help="folder that keeps the tuned CLIPs for another comparison")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--turns", type=int, default=1, help="times that the two sides train in turn, for the times")
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
    failed = False
    with TemporaryDirectory() as folder:
        clips = options.clips or Path(folder, "clips")
        places = Places(options.checkouts.absolute(), options.eurosat, clips, options.python)
        for one in COMPARISONS:
            if options.only and one.method not in options.only.split(","):
                continue
            if reason := missing(one, options.checkouts):
                note(f"skipped: {one.name}: {reason}")
                continue
            for seed in map(int, options.seeds.split(",")):
                try:
                    found_rows += compare(one, places, seed=seed, steps=options.steps, turns=options.turns)
                except (OfficialCodeError, ValueError) as error:
                    note(f"failed: {one.name}, seed {seed}: {error}")
                    failed = True
                    continue
                note(table(found_rows[-1:]).splitlines()[-1])
                note(times_table(found_rows[-1:]).splitlines()[2:3][0] if found_rows[-1].cpu else "")
    if not found_rows:
        return 2
    alike, images = sum(row.alike for row in found_rows), sum(row.images for row in found_rows)
    sys.stdout.write(f"{table(found_rows)}\n\n{alike} of {images} predictions alike\n\n{times_table(found_rows)}\n")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in found_rows], indent=1) + "\n")
    return int(failed or not all(row.agrees for row in found_rows))


if __name__ == "__main__":
    sys.exit(main())
