"""How far the accuracies of one method lie apart between seeds, as authors print it: a standard deviation in points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from bench._util.words import counted
from bench.extensions.paper_audit.ledger import facts_of_methods
from bench.papers import published_frame

BASE_TO_NEW = "https://github.com/muzairkhattak/PromptSRC/issues/3"
"""Where the spreads of base-to-new are printed: a user's runs of PromptSRC, on all eleven datasets."""


@dataclass(frozen=True)
class SeedSpreads:
    """The standard deviations between seeds in a protocol, by split and dataset, in points.

    Args:
        source: of what and where they are printed; empty if no spread is known.
    """

    source: str
    values: Mapping[tuple[str, str], float]

    def value(self, split: str, dataset: str) -> float | None:
        """That of a dataset, or the root mean square of the others of its split; None without any."""
        known = self.values.get((split, dataset))
        others = [value for (of, _), value in self.values.items() if of == split]
        return root_mean_square(others) if known is None and others else known


def root_mean_square(values: list[float]) -> float:
    """The standard deviation of equal weights of several variances."""
    return math.sqrt(sum(value**2 for value in values) / len(values))


@cache
def seed_spreads(protocol: str, shots: int) -> SeedSpreads:
    """The spreads of the ledger that are closest to a setting: of its protocol, at the closest number of shots.

    Those of several methods and backbones are averaged as variances; base-to-new has those of `BASE_TO_NEW` alone.
    """
    frame = published_frame()
    known = frame[(frame["protocol"] == protocol) & frame["spread"].notna() & frame["shots"].notna()]
    if protocol == "base-to-new":
        known = known[known["url"] == BASE_TO_NEW]
    if known.empty:
        return SeedSpreads("", {})
    nearest = min(sorted(known["shots"].unique()), key=lambda other: abs(math.log(other / max(shots, 1))))
    here = known[known["shots"] == nearest]
    found: dict[tuple[str, str], list[float]] = {}
    for dataset, split, spread in here[["dataset", "split", "spread"]].itertuples(index=False, name=None):
        found.setdefault(("all" if split == "target" else split, dataset), []).append(100 * float(spread))
    titles = sorted({facts_of_methods().method(method).title for method in here["method"]})
    remark = f"a user's runs, {BASE_TO_NEW}" if protocol == "base-to-new" else "ledger; prompts may spread more"
    source = f"{', '.join(titles)} with {counted(int(nearest), 'shot')} ({remark})"
    return SeedSpreads(source, {key: root_mean_square(values) for key, values in found.items()})
