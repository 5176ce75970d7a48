"""Predictions of every run as small JSON files next to a page, which loads them on demand.

`runs/<run id>.json` has the most probable classes of each image, `lists/<digest>.json` the images and labels that runs
share, and `pictures/<dataset>.json` thumbnails of misclassified images. Files that are as new as their run are kept, so
a repeated build writes only new runs.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench._util.atomic_write import write_atomically
from bench._util.slugs import slug
from bench.analysis.error_analysis import probabilities

if TYPE_CHECKING:
    from bench.presenters.error_analysis import Pictures
    from bench.store import Store

PICTURES = 400
"""Largest number of thumbnails of a dataset; images that most runs misclassify come first."""
_AT_ONCE = 20
"""Runs per database query."""

_Facts = dict[str, Any]


def write_run_files(store: Store, runs: pd.DataFrame, pictures: Pictures, folder: Path) -> int:
    """Write files that are missing or older than their run, and delete files of deleted runs.

    `runs` is the store's `runs_frame()`. Returns the number of runs written.
    """
    once = runs[runs["status"] == "ok"].drop_duplicates("run_id")
    known: dict[str, _Facts] = {str(row["run_id"]): row for row in once.to_dict("records")}  # type: ignore[misc]
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    for path in (folder / "runs").glob("*.json"):
        if path.stem not in known:
            path.unlink()
    fresh = [run for run, facts in known.items() if _is_older(folder / "runs" / f"{run}.json", facts["created_at"])]
    for start in range(0, len(fresh), _AT_ONCE):
        for run, frame in store.predictions_frame(fresh[start : start + _AT_ONCE]).groupby("run_id", sort=False):
            _write(folder / "runs" / f"{run}.json", _run(str(run), known[str(run)], frame, folder))
    changed = {known[run]["dataset"] for run in fresh}
    scored = {run: str(facts["dataset"]) for run, facts in known.items() if facts["dataset"] in changed}
    _write_pictures(store, scored, pictures, folder)
    return len(fresh)


def _is_older(path: Path, created_at: Any) -> bool:
    return not path.is_file() or path.stat().st_mtime < created_at.timestamp()


def _run(run: str, facts: _Facts, frame: pd.DataFrame, folder: Path) -> _Facts:
    splits = {}
    for split, part in frame.groupby("split", sort=True):
        shares = map(probabilities, part["top_logits"], part["log_sum_exp"])
        splits[str(split)] = {
            "list": _image_list(part, folder),
            "pictures": slug(_dataset_of(str(split), str(facts["dataset"]))),
            "top": [[int(label) for label in labels] for labels in part["top_labels"]],
            "share": [[round(1000 * value) for value in row] for row in shares],
        }
    names = {name: str(facts[name]) for name in ("method", "dataset", "backbone", "protocol")}
    return {"run_id": run, **names, "shots": int(facts["shots"]), "seed": int(facts["seed"]), "splits": splits}


def _image_list(part: pd.DataFrame, folder: Path) -> str:
    content = {"ids": [str(image) for image in part["image"]], "labels": [int(label) for label in part["label"]]}
    digest = hashlib.sha256(_json(content)).hexdigest()[:16]
    path = folder / "lists" / f"{digest}.json"
    if not path.is_file():
        _write(path, content)
    return digest


def _write_pictures(store: Store, trained_on: Mapping[str, str], pictures: Pictures, folder: Path) -> None:
    """Write thumbnails of the images that the runs misclassify, by dataset."""
    missed: defaultdict[str, Counter[str]] = defaultdict(Counter)
    outcomes = store.outcomes_frame(list(trained_on))
    wrong = outcomes[outcomes["label"] != outcomes["predicted"]]
    for (run, split), part in wrong.groupby(["run_id", "split"], sort=False):
        missed[_dataset_of(str(split), trained_on[str(run)])].update(map(str, part["image"]))
    for dataset, images in missed.items():
        commonest = sorted(images, key=lambda image: (-images[image], image))[:PICTURES]
        found = {image: pictures.picture(dataset, image) for image in commonest}
        shown = {image: uri for image, uri in found.items() if uri is not None}
        _write(folder / "pictures" / f"{slug(dataset)}.json", shown)


def _dataset_of(split: str, trained_on: str) -> str:
    """The dataset of a split: targets of transfer runs are splits under their own name."""
    return trained_on if split in ("base", "new", "all") else split


def _write(path: Path, content: Mapping[str, Any] | Sequence[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _json(content))


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
