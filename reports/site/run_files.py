"""The files that a site writes next to its page: predictions of every run, which the page loads on demand."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.analysis import error_analysis
from bench.results import claim_folder, is_own_file, slug, write_output
from bench.spec import OPEN_BASE, OPEN_NEW

if TYPE_CHECKING:
    from bench.results import Store
    from reports.presenters.content import Pictures


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
    claim_folder(folder)  # first, so that an interrupted command can be repeated
    for path in (folder / "runs").glob("*.json"):
        if path.stem not in known and is_own_file(path):
            path.unlink()
    files, stamps = _Files(folder, force), store.shard_stamps()
    fresh = [run for run in known if not files.is_current(run, stamps[run])]
    for start in range(0, len(fresh), _AT_ONCE):
        for key, frame in store.predictions_frame(fresh[start : start + _AT_ONCE]).groupby("run_id", sort=False):
            run = str(key)
            files.write("runs", run, _head(stamps[run]) | _run(run, known[run], frame, files))
    changed = {known[run]["dataset"] for run in fresh}
    scored = {run: str(facts["dataset"]) for run, facts in known.items() if facts["dataset"] in changed}
    _write_pictures(store, scored, pictures, files)
    return len(fresh)


@dataclass(frozen=True)
class _Files:
    """The JSON files of a site, such as `runs/<run id>.json`; each begins with the mark of etl-bench."""

    folder: Path
    force: bool

    def path(self, kind: str, name: str) -> Path:
        return self.folder / kind / f"{name}.json"

    def is_current(self, run: str, stamp: str) -> bool:
        """Whether the file of a run was made from the shard with this stamp."""
        path, start = self.path("runs", run), _json(_head(stamp)).removesuffix(b"}")
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(start)) == start

    def write(self, kind: str, name: str, content: _Facts) -> None:
        write_output(self.path(kind, name), _json(content), force=self.force)


def _head(source: str = "") -> _Facts:
    """The first values of a file: the mark of etl-bench, and the stamp of the shard that it was made from."""
    return {"format": "clip-etl-bench site"} | ({"source": source} if source else {})


def _run(run: str, facts: _Facts, frame: pd.DataFrame, files: _Files) -> _Facts:
    splits = {}
    for split, part in frame.groupby("split", sort=True):
        shares = map(error_analysis.probabilities, part["top_logits"], part["log_sum_exp"])
        splits[str(split)] = {
            "list": _image_list(part, files),
            "pictures": slug(_dataset_of(str(split), str(facts["dataset"]))),
            "top": [[int(label) for label in labels] for labels in part["top_labels"]],
            "share": [[round(1000 * value) for value in row] for row in shares],
        }
    names = {name: str(facts[name]) for name in ("method", "dataset", "backbone", "protocol")}
    return {"run_id": run, **names, "shots": int(facts["shots"]), "seed": int(facts["seed"]), "splits": splits}


def _image_list(part: pd.DataFrame, files: _Files) -> str:
    """Write the list of images that runs share, and return its name, the digest of its content."""
    content = {"ids": [str(image) for image in part["image"]], "labels": [int(label) for label in part["label"]]}
    digest = hashlib.sha256(_json(content)).hexdigest()[:16]
    if not is_own_file(files.path("lists", digest)):
        files.write("lists", digest, _head() | content)
    return digest


def _write_pictures(store: Store, trained_on: Mapping[str, str], pictures: Pictures, files: _Files) -> None:
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
        files.write("pictures", slug(dataset), _head() | shown)


def _dataset_of(split: str, trained_on: str) -> str:
    """The dataset of a split: targets of transfer runs are splits under their own name."""
    return trained_on if split in ("base", "new", "all", OPEN_BASE, OPEN_NEW) else split


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
