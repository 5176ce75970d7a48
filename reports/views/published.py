"""Published numbers, and claims: boards of them, and their comparison with the runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.papers import NamedDataset, ReproductionRow
from reports.views.difficulty import TrendsView
from reports.views.values import BoardHeading


@dataclass(frozen=True)
class ClaimResultView:
    """One claim in one setting.

    Args:
        where: the setting; empty if no board has both methods.
        verdict: `supported`, `refuted`, `inconclusive` or `not tested`.
        effect: a fraction; None if nothing could be tested.
        n: values over `groups` datasets.
        p: against the threshold of the claim, uncorrected.
        reason: why it is not tested, or empty.
    """

    where: str
    verdict: str
    effect: float | None
    p: float | None
    reason: str
    low: float | None = None
    high: float | None = None
    n: int = 0
    groups: int = 0


@dataclass(frozen=True)
class ClaimView:
    """A claim and its test; `above` is the threshold of the effect, a fraction."""

    id: str
    sentence: str
    source: str
    test: str
    above: float
    results: tuple[ClaimResultView, ...]


@dataclass(frozen=True)
class ReproductionView:
    """All published numbers that match these runs, largest differences first, with the number of rows by verdict.

    Differences up to `margin`, a fraction, count as equal. `unmatched` entries have no published numbers.
    """

    rows: tuple[ReproductionRow, ...]
    counts: Mapping[str, int]
    margin: float
    unmatched: tuple[str, ...]


@dataclass(frozen=True)
class SourceView:
    """A published table; rows refer to it by `number`, and `cells` of its numbers are shown."""

    number: int
    reported_in: str
    table: str
    url: str
    cells: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PublishedRowView:
    """One method in one published table; fractions.

    Args:
        title: of the method, with the table's label if it differs.
        averages: by measure, if every dataset of the row has it.
        n: datasets of the row, out of `expected`.
        sources: numbers of the tables with exactly these values.
        notes: known errors.
    """

    title: str
    family: str
    values: Mapping[str, Mapping[str, float]]
    averages: Mapping[str, float]
    n: int
    expected: int
    sources: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether the row has every dataset of the board."""
        return self.n == self.expected


@dataclass(frozen=True)
class PublishedBoardView(BoardHeading):
    """All published rows of one protocol, backbone and number of shots, complete ones first.

    Args:
        baseline: title of the zero-shot row that gains refer to, if any.
        part_trends: contrasts and slopes by measure; empty below six datasets of known difficulty.
    """

    anchor: str
    backbone: str
    protocol: str
    shots: int
    measures: tuple[str, ...]
    datasets: tuple[NamedDataset, ...]
    rows: tuple[PublishedRowView, ...]
    baseline: str | None
    part_trends: tuple[TrendsView, ...]
