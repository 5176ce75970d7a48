"""The predictions of every run as small JSON files beside a page, which asks for them one by one.

`runs/<run id>.json` holds the best classes of each image, `lists/<digest>.json` the images and labels that many runs
share, `pictures/<dataset>.json` small pictures of the images that runs get wrong. A file that is there already and no
older than its run is left as it is, so that building a site again costs only what is new.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench._util.atomic_write import write_atomically
from bench._util.slugs import slug

if TYPE_CHECKING:
    import pandas as pd

    from bench.presenters.error_analysis import Pictures
    from bench.store import Store

PICTURES = 400
"""Most pictures of a dataset; those that most runs get wrong come first."""
_AT_ONCE = 20
"""Runs read from the database at once."""


_Facts = dict[str, Any]


def write_run_files(store: Store, runs: pd.DataFrame, pictures: Pictures, folder: Path) -> int:
    """Write what is missing or older than its run, and take away files of runs that are gone.

    Args:
        store: the predictions.
        runs: the store's `runs_frame()`.
        pictures: of the datasets.
        folder: beside the page.

    Returns:
        Number of runs written.
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


def _run(run: str, facts: _Facts, frame: pd.DataFrame, folder: Path) -> dict[str, Any]:
    splits = {}
    for split, part in frame.groupby("split", sort=True):
        shares = [
            np.minimum(np.exp(np.asarray(logits, dtype=np.float64) - scale), 1.0)
            for logits, scale in zip(part["top_logits"], part["log_sum_exp"], strict=True)
        ]
        splits[str(split)] = {
            "list": _image_list(part, folder),
            "pictures": slug(_dataset_of(str(split), str(facts["dataset"]))),
            "top": [[int(label) for label in labels] for labels in part["top_labels"]],
            "share": [[round(1000 * float(value)) for value in row] for row in shares],
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
    """Pictures of the images that those runs get wrong, by the dataset they were scored on."""
    missed: defaultdict[str, Counter[str]] = defaultdict(Counter)
    outcomes = store.outcomes_frame(list(trained_on))
    wrong = outcomes[outcomes["label"] != outcomes["predicted"]]
    for (run, split), part in wrong.groupby(["run_id", "split"], sort=False):
        missed[_dataset_of(str(split), trained_on[str(run)])].update(map(str, part["image"]))
    for dataset, images in missed.items():
        commonest = sorted(images, key=lambda image: (-images[image], image))[:PICTURES]
        found = {image: pictures.picture(dataset, image) for image in commonest}
        _write(
            folder / "pictures" / f"{slug(dataset)}.json",
            {image: uri for image, uri in found.items() if uri is not None},
        )


def _dataset_of(split: str, trained_on: str) -> str:
    """Targets of a transfer run are stored under their own names."""
    return trained_on if split in ("base", "new", "all") else split


def _write(path: Path, content: Mapping[str, Any] | Sequence[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _json(content))


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
