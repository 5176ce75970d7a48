"""Datasets and weights that are not on this machine, and the commands that get them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.papers import Paper


def add_missing_features(paper: Paper, data_root: Path | None) -> None:
    """Add the features of a shipped paper that are no datasets yet, from NAME.npz and NAME.txt below the data folder.

    Raises UsageError, which says where they come from, if a file is missing.
    """
    from bench.api.datasets import add_features
    from datasets_registry import DATASETS, register_dataset

    if paper.file is not None:  # who writes a paper file has added the features that it names
        return
    new = {name: model for name, model in paper.imported_features().items() if name not in DATASETS.entries}
    files = [f"{name}{suffix}" for name in new for suffix in (".npz", ".txt")]
    absent = [file for file in files if data_root is None or not (data_root / file).is_file()]
    if absent:
        raise UsageError(
            f"{paper.name} needs files of features, which cannot be fetched. Missing "
            f"{f'in {data_root}' if data_root else 'without --data-root'}: {', '.join(absent)}. "
            f"`{paper.header.address}` says what they hold; give their folder as --data-root FOLDER."
        )
    for name, model in new.items():
        file = Path(data_root or "") / f"{name}.npz"
        register_dataset(add_features(name, file, backbone=model, classes=file.with_suffix(".txt")).info())


class Places:
    """Which datasets and weights are on this machine, each looked up once."""

    def __init__(self, data_root: Path | None) -> None:
        self.data_root = data_root
        self._known: dict[str, bool] = {}

    def missing(self, datasets: Sequence[str], backbones: Sequence[str]) -> tuple[str, ...]:
        """The names of those that are not here."""
        missing_data = [name for name in datasets if not self._here(name, self._has_data)]
        return (*missing_data, *(name for name in backbones if not self._here(name, self._has_weights)))

    def commands(self, missing: Sequence[str]) -> list[str]:
        """How to get the missing datasets and weights, a line for each command."""
        from datasets_registry import COLLECTIONS, DATASETS, dataset_sources, get_dataset, way_to_get

        end = f"--data-root {self.data_root or 'FOLDER'}"
        sources = dataset_sources()
        fetched: dict[tuple[str, ...], list[str]] = {}
        by_hand, weights = list[str](), list[str]()
        for name in missing:
            options = sources[name].fetch_options if name in sources else ()
            if name not in DATASETS.entries:
                weights.append(name)
            elif options or way_to_get(get_dataset(name)) == "fetch":
                fetched.setdefault(options, []).append(name)
            else:
                by_hand.append(name)
        plain = fetched.get((), [])
        collections = [name for name, of in COLLECTIONS.items() if of and set(of) <= {*missing} and {*of} & {*plain}]
        inside = {name for collection in collections for name in COLLECTIONS[collection]}
        fetched[()] = [name for name in plain if name not in inside]
        names = [((), ["all-of", *collections])] if collections else []
        lines = [
            f"`{' '.join(['etl-bench datasets fetch', *some, *options, end])}`"
            for options, some in (*names, *fetched.items())
            if some
        ]
        if by_hand:
            lines.append(f"{', '.join(by_hand)} by hand: `etl-bench datasets check {by_hand[0]} {end}`")
        if weights:
            lines.append(f"{', '.join(weights)} with the first run")
        return lines

    def _here(self, name: str, look: Any) -> bool:
        if name not in self._known:
            self._known[name] = look(name)
        return self._known[name]

    def _has_data(self, name: str) -> bool:
        from datasets_registry import get_dataset, is_dataset_present

        info = get_dataset(name)
        return info.synthetic or info.backbone is not None or is_dataset_present(info, self.data_root)

    @staticmethod
    def _has_weights(slug: str) -> bool:
        from methods import has_weights, parse_backbone

        return has_weights(parse_backbone(slug))
