"""The files that a site writes next to its page: predictions of every run, which the page loads on demand."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.analysis import probabilities
from bench.errors import UsageError
from bench.results import slug, write_atomically
from bench.spec import OPEN_BASE, OPEN_NEW

if TYPE_CHECKING:
    from bench.results import Store
    from reports.presenters.content import Pictures


FILE_LIST = "etl-bench-files.json"
_VERSION = 1
_NAME = re.compile(r"(runs|lists|pictures)/[A-Za-z0-9_-][A-Za-z0-9._-]*\.json")
_BRAND = b'class="brand">clip-etl-bench'


@dataclass
class SiteFiles:
    """The files below `folder`, by names such as `runs/<run id>.json`. `save` writes the list."""

    folder: Path
    _listed: dict[str, dict[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._listed = _read_list(self.folder / FILE_LIST)

    def is_current(self, name: str, source: str) -> bool:
        """Whether the file exists and was made from the same source."""
        return self._listed.get(name, {}).get("source") == source and (self.folder / name).is_file()

    def write(self, name: str, content: bytes, source: str = "") -> None:
        """Write a file and add it to the list; raises UsageError if a file of that name does not belong to the site."""
        path, digest = self.folder / name, _digest(content)
        if path.exists() and not (self._unchanged(name) or _digest_of(path) == digest or _looks_ours(path, name)):
            raise UsageError(
                f"{path} exists and was not written by `etl-bench report`, so it is kept. Choose another folder with "
                "--site, or one file with --out."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        self._listed[name] = {"sha256": digest, "source": source}

    def keep_only(self, kind: str, names: Collection[str]) -> None:
        """Delete the site's own files of one kind (`runs`) that are not among `names`."""
        for name in [name for name in self._listed if name.startswith(f"{kind}/") and name not in names]:
            if self._unchanged(name):
                (self.folder / name).unlink(missing_ok=True)
            del self._listed[name]

    def save(self) -> None:
        """Write the list."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {"version": _VERSION, "files": self._listed}
        write_atomically(self.folder / FILE_LIST, json.dumps(content, indent=0, sort_keys=True).encode())

    def _unchanged(self, name: str) -> bool:
        return name in self._listed and _digest_of(self.folder / name) == self._listed[name]["sha256"]


def check_page(page: Path) -> None:
    """Raise UsageError if there is a page that etl-bench did not write."""
    if page.is_file() and _BRAND not in page.read_bytes():
        raise UsageError(
            f"{page} exists and was not written by `etl-bench report`, so it is kept. Choose another folder with "
            "--site, or name a file with --out."
        )


def _read_list(path: Path) -> dict[str, dict[str, str]]:
    """The entries of a list; empty without one, or if it is damaged. Names that leave the folder are left out."""
    try:
        content = json.loads(path.read_bytes())
        if content["version"] != _VERSION:
            return {}
        return {
            name: {"sha256": str(entry["sha256"]), "source": str(entry["source"])}
            for name, entry in content["files"].items()
            if _NAME.fullmatch(name)
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _looks_ours(path: Path, name: str) -> bool:
    """Whether a file that is not in the list has the content that a site writes under this name."""
    try:
        text = path.read_bytes()
        content: Any = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(content, Mapping):
        return False
    if name.startswith("runs/"):
        return content.get("run_id") == path.stem and "splits" in content
    if name.startswith("lists/"):
        return _digest(text).startswith(path.stem)
    return all(isinstance(uri, str) and uri.startswith("data:image/") for uri in content.values())


def _digest_of(path: Path) -> str | None:
    try:
        return _digest(path.read_bytes())
    except OSError:
        return None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


PICTURES = 400
"""Largest number of thumbnails of a dataset; images that most runs misclassify come first."""
_AT_ONCE = 20
"""Runs per database query."""

_Facts = dict[str, Any]


def write_run_files(store: Store, runs: pd.DataFrame, pictures: Pictures, folder: Path) -> int:
    """Write files that are missing or made from another shard, and delete the site's files of deleted runs.

    `runs` is the store's `runs_frame()`. Returns the number of runs written. Raises UsageError if a file that the site
    did not write is in the way.
    """
    once = runs[runs["status"] == "ok"].drop_duplicates("run_id")
    known: dict[str, _Facts] = {str(row["run_id"]): row for row in once.to_dict("records")}  # type: ignore[misc]
    files, stamps = SiteFiles(folder), store.shard_stamps()
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


def _run(run: str, facts: _Facts, frame: pd.DataFrame, files: SiteFiles) -> _Facts:
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


def _image_list(part: pd.DataFrame, files: SiteFiles) -> str:
    content = {"ids": [str(image) for image in part["image"]], "labels": [int(label) for label in part["label"]]}
    text = _json(content)
    digest = hashlib.sha256(text).hexdigest()[:16]
    if not files.is_current(f"lists/{digest}.json", digest):
        files.write(f"lists/{digest}.json", text, digest)
    return digest


def _write_pictures(store: Store, trained_on: Mapping[str, str], pictures: Pictures, files: SiteFiles) -> None:
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
