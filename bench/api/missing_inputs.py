"""Datasets and weights that are not on this machine, and the commands that get them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Places:
    """Which datasets and weights are on this machine, each looked up once."""

    def __init__(self, data_root: Path | None) -> None:
        self.data_root = data_root
        self._known: dict[str, bool] = {}

    def missing(self, datasets: Sequence[str], backbones: Sequence[str]) -> tuple[str, ...]:
        """The names of those that are not here."""
        found = [name for name in datasets if not self._here(name, self._has_data)]
        return (*found, *(name for name in backbones if not self._here(name, self._has_weights)))

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
        return info.synthetic or is_dataset_present(info, self.data_root)

    @staticmethod
    def _has_weights(slug: str) -> bool:
        from methods import has_weights, parse_backbone

        return has_weights(parse_backbone(slug))
