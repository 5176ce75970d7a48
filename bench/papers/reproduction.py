"""Compares published numbers with ours for the same protocol, backbone, shots, dataset and split. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pandas as pd

from bench.analysis import OPEN, Entry, H, Leaderboard, Scores, equivalence, harmonic_mean, seed_scores, seeds_needed
from bench.results import changed_settings, published_values
from bench.spec import PUBLISHED_RECIPES
from datasets_registry import EvalProtocol


@dataclass(frozen=True)
class ReproductionRow:
    """One published number and ours.

    Args:
        published: the printed number as a fraction.
        ours: mean over our `n` seeds.
        difference: ours minus published, with the 95 % interval `low` to `high`, None for one seed.
        p: p value of the equivalence test, None for one seed.
        seeds_needed: seeds needed to detect the difference from the nearer margin with power 0.8; None if the verdict
            is settled or the number cannot be computed.
        sources: all sources that print this number; they may be copies of one another.
        note: known errors of the printed number, and how our protocol differs.
    """

    entry: str
    method: str
    backbone: str
    protocol: str
    shots: int
    dataset: str
    split: str
    published: float
    ours: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    n: int
    verdict: str
    seeds_needed: int | None
    sources: tuple[str, ...]
    note: str
    run_ids: tuple[str, ...]


@dataclass(frozen=True)
class Reproduction:
    """All published numbers that match some runs.

    Args:
        rows: largest differences first.
        unmatched: (entry key, method) of the entries without published numbers.
    """

    rows: tuple[ReproductionRow, ...]
    unmatched: tuple[tuple[str, str], ...]


MARGIN = 0.01
"""Largest difference that counts as equal: one percentage point."""

PublishedSettings = Mapping[tuple[str, str], Mapping[str, Any]]
"""Published configs by (method, protocol)."""


class ReproductionVerdict(StrEnum):
    """Whether our runs reproduce a published number."""

    NOT_REPRODUCED = "not reproduced"
    """The whole 95 % interval of the difference is outside the margin."""
    UNDER_POWERED = "under-powered"
    """Neither reproduced nor not reproduced; more seeds are needed."""
    REPRODUCED = "reproduced"
    """Two one-sided tests (5 %) show that the difference is within the margin."""
    PROTOCOL_DIFFERS = "protocol differs"
    """Our runs use another recipe, config or draw, so the two numbers need not agree."""


def compare_with_published(
    boards: Iterable[Leaderboard],
    runs: pd.DataFrame,
    published: pd.DataFrame,
    *,
    defaults: PublishedSettings | None = None,
    margin: float = MARGIN,
) -> list[ReproductionRow]:
    """Every published number for which we have runs, largest difference first.

    Only rows of unmodified methods are used (no ablation variants). Printed numbers are treated as exact, since almost
    no source prints a spread. Zero-shot accuracy has no seeds and is also treated as exact, so its verdict depends on
    the margin alone.

    Args:
        defaults: published settings; an entry with other settings has the verdict `protocol differs`. If None, this
            holds for every entry whose label has settings.
        margin: largest difference that counts as equal, a fraction.
    """
    known = _printed(published)
    rows = []
    for board in boards:
        scores = seed_scores(board, runs)
        for entry in board.entries:
            for dataset in entry.cells:
                for split in (measure for measure in board.measures if measure != OPEN):
                    ours = _our_values(entry, scores[entry.key], dataset, split)
                    for printed in _printed_in_cell(known, board, entry, dataset, split):
                        rows.append(_row(board, entry, dataset, split, printed, ours, margin, defaults))
    return sorted(rows, key=lambda row: (-abs(row.difference), row.entry, row.dataset, row.split, row.published))


def reproduce(
    boards: Sequence[Leaderboard],
    runs: pd.DataFrame,
    published: pd.DataFrame,
    defaults: PublishedSettings | None = None,
) -> Reproduction:
    """`compare_with_published`, with the entries that have no published number."""
    rows = compare_with_published(boards, runs, published, defaults=defaults)
    ours = {entry.key: entry.method for board in boards for entry in board.entries}
    without = sorted(ours.keys() - {row.entry for row in rows})
    return Reproduction(tuple(rows), tuple((key, ours[key]) for key in without))


def published_settings(runs: pd.DataFrame) -> PublishedSettings:
    """The published settings of the installed methods and protocols in the runs."""
    pairs = {(str(method), str(protocol)) for method, protocol in runs[["method", "protocol"]].itertuples(index=False)}
    return {pair: found for pair in pairs if (found := published_values(*pair)) is not None}


def count_verdicts(rows: Iterable[ReproductionRow]) -> dict[ReproductionVerdict, int]:
    """Number of rows with each verdict."""
    counts = Counter(row.verdict for row in rows)
    return {verdict: counts[verdict] for verdict in ReproductionVerdict}


_Key = tuple[str, str, str, int, str, str]
"""Method, protocol, backbone, shots, dataset and split."""
_KEY_COLUMNS = ["method", "protocol", "backbone", "shots", "dataset", "split"]


@dataclass
class _Printed:
    """One printed value with all of its sources."""

    value: float
    sources: list[str] = field(default_factory=list)
    note: str = ""

    def add(self, sources: Iterable[str], note: str) -> None:
        """Add sources and a note that are new."""
        self.sources += [source for source in sources if source not in self.sources]
        if note not in self.note:
            self.note = f"{self.note} {note}".strip()


def _printed(published: pd.DataFrame) -> Mapping[_Key, Mapping[float, _Printed]]:
    """Distinct printed values by key."""
    plain = published[(published["metric"] == "accuracy") & (published["variant"] == "") & published["shots"].notna()]
    found: dict[_Key, dict[float, _Printed]] = defaultdict(dict)
    columns = [*_KEY_COLUMNS, "value", "reported_in", "source_table", "note"]
    for method, protocol, backbone, shots, dataset, split, number, where, table, note in plain[columns].itertuples(
        index=False, name=None
    ):
        # zero-shot accuracy over all classes is the same in every protocol that evaluates all classes
        scored = "few-shot" if protocol == "zero-shot" else protocol
        value = round(float(number), 6)
        values = found[method, scored, backbone, 0 if method == "zero_shot" else int(shots), dataset, split]
        values.setdefault(value, _Printed(value)).add([f"{where}, {table}" if table else str(where)], note or "")
    return found


_TEST_TIME = (
    ("test-time", "all"),
    ("few-shot", "all"),
    ("cross-dataset", "target"),
    ("domain-generalization", "all"),
    ("domain-generalization", "target"),
)
"""Protocol and split under which papers print accuracies on all classes without labelled images."""


def _printed_in_cell(
    known: Mapping[_Key, Mapping[float, _Printed]], board: Leaderboard, entry: Entry, dataset: str, split: str
) -> list[_Printed]:
    """The printed values of a cell, each with its sources."""
    setting = board.setting
    places, shots = [(str(setting.protocol), split)], setting.shots
    if setting.protocol == EvalProtocol.TEST_TIME:
        places = list(_TEST_TIME)
    elif entry.recipe is None and entry.method == "zero_shot":
        shots = 0
    found: dict[float, _Printed] = {}
    for protocol, part in places:
        for value, printed in known.get((entry.method, protocol, setting.backbone, shots, dataset, part), {}).items():
            found.setdefault(value, _Printed(value)).add(printed.sources, printed.note)
    return list(found.values())


def _our_values(entry: Entry, scores: Scores, dataset: str, split: str) -> list[float]:
    by_seed = [values[split] for _, values in sorted(scores[dataset].items())]
    return by_seed[:1] if entry.cells[dataset].n == 1 else by_seed


def _row(
    board: Leaderboard,
    entry: Entry,
    dataset: str,
    split: str,
    printed: _Printed,
    ours: list[float],
    margin: float,
    defaults: PublishedSettings | None,
) -> ReproductionRow:
    cell = entry.cells[dataset]
    test = equivalence(ours, margin=margin, reference=printed.value)
    # papers report the H of the seed means; its test uses the H of each seed
    mean = sum(ours) / len(ours)
    if split == H:
        mean = harmonic_mean(cell.scores["base"].mean, cell.scores["new"].mean)
    difference = mean - printed.value
    verdict, needed = ReproductionVerdict.UNDER_POWERED, None
    if reasons := _protocol_differences(board, entry, defaults):
        verdict = ReproductionVerdict.PROTOCOL_DIFFERS
    elif entry.method == "zero_shot":
        verdict = ReproductionVerdict.REPRODUCED if abs(difference) <= margin else ReproductionVerdict.NOT_REPRODUCED
    elif test is not None:
        if test.equal():
            verdict = ReproductionVerdict.REPRODUCED
        elif test.different:
            verdict = ReproductionVerdict.NOT_REPRODUCED
        else:
            needed = seeds_needed(margin - abs(difference), cell.scores[split].std or 0.0)
    return ReproductionRow(
        entry=entry.key,
        method=entry.method,
        backbone=board.setting.backbone,
        protocol=board.setting.protocol,
        shots=board.setting.shots,
        dataset=dataset,
        split=split,
        published=printed.value,
        ours=mean,
        difference=difference,
        low=test.low if test else None,
        high=test.high if test else None,
        p=test.p if test else None,
        n=len(ours),
        verdict=verdict,
        seeds_needed=needed,
        sources=tuple(printed.sources),
        note=" ".join([printed.note, *reasons]).strip(),
        run_ids=cell.run_ids,
    )


def _protocol_differences(board: Leaderboard, entry: Entry, defaults: PublishedSettings | None) -> list[str]:
    """How our runs of an entry differ from the published protocol, one sentence per difference."""
    reasons = []
    if entry.recipe_name not in (None, *PUBLISHED_RECIPES):
        reasons.append(f"Our runs use the recipe {entry.recipe_name!r}.")
    if entry.recipe is not None and not board.setting.draw.startswith("coop"):
        reasons.append(f"Our runs use the draw {board.setting.draw!r}.")
    if entry.recipe is not None and board.setting.support:
        reasons.append(f"Our runs train on the support {board.setting.support!r}.")
    published = (defaults or {}).get((entry.method, board.setting.protocol))
    if published is None:
        if entry.label:
            reasons.append(f"Our runs have the settings {entry.label}.")
    else:
        changed = changed_settings(entry.config, published)
        if changed:
            reasons.append(f"Our runs have {', '.join(f'{key}={entry.config[key]}' for key in changed)}.")
    return reasons
