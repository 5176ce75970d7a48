"""The files that a site writes next to its page: predictions of every run, which the page loads on demand."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.analysis import probabilities
from bench.bounds import LARGEST_BOARD_FILE
from bench.results import ListedFiles, slug
from bench.spec import OPEN_BASE, OPEN_NEW
from datasets_registry import parse_json, read_bytes

if TYPE_CHECKING:
    from bench.results import Store
    from reports.presenters.content import Pictures


def _looks_ours(path: Path, name: str) -> bool:
    """Whether a file that is not in the list has the content that a site writes under this name."""
    try:
        text = read_bytes(path, LARGEST_BOARD_FILE)
        content: Any = parse_json(text)
    except (OSError, ValueError):
        return False
    if not isinstance(content, Mapping):
        return False
    if name.startswith("runs/"):
        return content.get("run_id") == path.stem and "splits" in content
    if name.startswith("lists/"):
        return hashlib.sha256(text).hexdigest().startswith(path.stem)
    return all(isinstance(uri, str) and uri.startswith("data:image/") for uri in content.values())


PICTURES = 400
"""Largest number of thumbnails of a dataset; images that most runs misclassify come first."""
_AT_ONCE = 20
"""Runs per database query."""

_Facts = dict[str, Any]


def write_run_files(store: Store, runs: pd.DataFrame, pictures: Pictures, folder: Path, *, force: bool = False) -> int:
    """Write files that are missing or made from another shard, and delete the site's files of deleted runs.

    `runs` is the store's `runs_frame()`. Returns the number of runs written. Raises UsageError if a file that the site
    did not write is in the way, unless `force`.
    """
    once = runs[runs["status"] == "ok"].drop_duplicates("run_id")
    known: dict[str, _Facts] = {str(row["run_id"]): row for row in once.to_dict("records")}  # type: ignore[misc]
    files, stamps = ListedFiles(folder, force, _looks_ours), store.shard_stamps()
    files.save()  # first, so that an interrupted command can be repeated
    files.keep_only("runs", {_name(run) for run in known})
    fresh = [run for run in known if not files.is_current(_name(run), stamps[run])]
    for start in range(0, len(fresh), _AT_ONCE):
        for key, frame in store.predictions_frame(fresh[start : start + _AT_ONCE]).groupby("run_id", sort=False):
            run = str(key)
            files.write(_name(run), _json(_run(run, known[run], frame, files)), stamps[run])
        files.save()
    changed = {known[run]["dataset"] for run in fresh}
    scored = {run: str(facts["dataset"]) for run, facts in known.items() if facts["dataset"] in changed}
    _write_pictures(store, scored, pictures, files)
    files.save()
    return len(fresh)


def _name(run: str) -> str:
    return f"runs/{run}.json"


def _run(run: str, facts: _Facts, frame: pd.DataFrame, files: ListedFiles) -> _Facts:
    splits = {}
    for split, part in frame.groupby("split", sort=True):
        shares = map(probabilities, part["top_logits"], part["log_sum_exp"])
        splits[str(split)] = {
            "list": _image_list(part, files),
            "pictures": slug(_dataset_of(str(split), str(facts["dataset"]))),
            "top": [[int(label) for label in labels] for labels in part["top_labels"]],
            "share": [[round(1000 * value) for value in row] for row in shares],
        }
    names = {name: str(facts[name]) for name in ("method", "dataset", "backbone", "protocol")}
    return {"run_id": run, **names, "shots": int(facts["shots"]), "seed": int(facts["seed"]), "splits": splits}


def _image_list(part: pd.DataFrame, files: ListedFiles) -> str:
    content = {"ids": [str(image) for image in part["image"]], "labels": [int(label) for label in part["label"]]}
    text = _json(content)
    digest = hashlib.sha256(text).hexdigest()[:16]
    if not files.is_current(f"lists/{digest}.json", digest):
        files.write(f"lists/{digest}.json", text, digest)
    return digest


def _write_pictures(store: Store, trained_on: Mapping[str, str], pictures: Pictures, files: ListedFiles) -> None:
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
        files.write(f"pictures/{slug(dataset)}.json", _json(shown))


def _dataset_of(split: str, trained_on: str) -> str:
    """The dataset of a split: targets of transfer runs are splits under their own name."""
    return trained_on if split in ("base", "new", "all", OPEN_BASE, OPEN_NEW) else split


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
