"""How far the accuracies of one method lie apart between seeds, as authors print it: a standard deviation in points."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from bench._util.words import counted
from bench.extensions.paper_audit.ledger import facts_of_methods
from bench.papers import published_frame

BASE_TO_NEW = "https://github.com/muzairkhattak/PromptSRC/issues/3"
"""Where the numbers of `spreads.csv` are printed: PromptSRC, ViT-B/16, 16 shots, one number for each seed."""


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
    """The printed spreads that are closest to a setting: of its protocol, at the closest number of shots.

    Those of several methods and backbones in the ledger are averaged as variances.
    """
    if protocol == "base-to-new":
        return SeedSpreads(f"PromptSRC with three seeds, ViT-B/16, 16 shots ({BASE_TO_NEW})", _stored())
    frame = published_frame()
    known = frame[(frame["protocol"] == protocol) & frame["spread"].notna() & frame["shots"].notna()]
    if known.empty:
        return SeedSpreads("", {})
    nearest = min(sorted(known["shots"].unique()), key=lambda other: abs(math.log(other / max(shots, 1))))
    here = known[known["shots"] == nearest]
    found: dict[tuple[str, str], list[float]] = {}
    for dataset, spread in here[["dataset", "spread"]].itertuples(index=False, name=None):
        found.setdefault(("all", dataset), []).append(100 * float(spread))
    titles = sorted({facts_of_methods().method(method).title for method in here["method"]})
    source = f"{', '.join(titles)} with {counted(int(nearest), 'shot')} (ledger; prompts may spread more)"
    return SeedSpreads(source, {key: root_mean_square(values) for key, values in found.items()})


def _stored() -> Mapping[tuple[str, str], float]:
    text = (resources.files("bench.extensions.paper_audit") / "spreads.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {(split, row["dataset"]): float(row[split]) for row in rows for split in ("base", "new")}
