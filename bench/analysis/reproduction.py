"""Published numbers beside ours for equal protocol, backbone, shots, dataset and split, with verdicts. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bench._util.text_cache import TextCache
from bench.analysis.comparison import Scores, seed_scores
from bench.analysis.leaderboard import Entry, H, Leaderboard
from bench.method_info.facts import method_sheets
from bench.statistics import equivalence, seeds_needed

if TYPE_CHECKING:
    import pandas as pd

MARGIN = 0.01
"""What counts as equal: one percentage point."""


PublishedSettings = Mapping[tuple[str, str], Mapping[str, Any]]
"""Published settings by (method, protocol)."""


class Verdict(StrEnum):
    """What our runs say about a published number."""

    NOT_REPRODUCED = "not reproduced"
    """The whole 95 % interval of our mean lies further away than the margin."""
    UNDER_POWERED = "under-powered"
    """Neither: more seeds would tell."""
    REPRODUCED = "reproduced"
    """Two one-sided tests (5 %) put our mean within the margin."""
    PROTOCOL_DIFFERS = "protocol differs"
    """Ours was not made with the published recipe or draw, so that the two need not agree."""


@dataclass(frozen=True)
class ReproductionRow:
    """One published number and ours.

    Args:
        published: the printed number as a fraction.
        ours: mean over our seeds.
        difference: ours minus published.
        low: lower end of the 95 % interval of the difference, None for one seed.
        high: upper end.
        p: of the equivalence test, None for one seed.
        n: our seeds.
        seeds_needed: seeds with which the difference from the nearer margin would be found with power 0.8; None where
            that is settled or cannot be said.
        sources: everywhere that prints this number; copies of one another are not independent.
        note: known errors of the printed number, and why the protocol differs.
        run_ids: our runs.
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
    verdict: Verdict
    seeds_needed: int | None
    sources: tuple[str, ...]
    note: str
    run_ids: tuple[str, ...]


def compare_with_published(
    boards: Iterable[Leaderboard],
    runs: pd.DataFrame,
    published: pd.DataFrame,
    *,
    defaults: PublishedSettings | None = None,
    margin: float = MARGIN,
) -> list[ReproductionRow]:
    """Every published number that we have run, largest gaps first.

    Only plain published rows take part (no ablation variants). Printed numbers count as exact, since almost no source
    prints a spread. A method without shots has no seeds; its accuracy is exact, and the margin alone decides.

    Args:
        boards: leaderboards made from the runs.
        runs: the store's `runs_frame()`.
        published: the store's `published_frame()`.
        defaults: published settings by method and protocol; an entry with others is said to differ. Without them every
            entry that shares its method with another one is.
        margin: what counts as equal, as a fraction.
    """
    known = _printed(published)
    rows = []
    for board in boards:
        scores = seed_scores(board, runs)
        for entry in board.entries:
            for dataset, cell in entry.cells.items():
                for split in board.measures:
                    for printed, (sources, note) in known.get(_key(board, entry, dataset, split), {}).items():
                        ours = _ours(entry, scores[entry.key], dataset, split)
                        rows.append(
                            _row(
                                board,
                                entry,
                                dataset,
                                split,
                                printed,
                                sources,
                                note,
                                ours,
                                cell.run_ids,
                                margin,
                                defaults,
                            )
                        )
    return sorted(rows, key=lambda row: (-abs(row.difference), row.entry, row.dataset, row.split, row.published))


def published_settings(runs: pd.DataFrame, kept: TextCache | None = None) -> PublishedSettings:
    """The published settings of every registered method and protocol that the runs have.

    Args:
        runs: the store's `runs_frame()`.
        kept: where the settings are kept from one process to the next, None to import all methods.
    """
    asked = {(str(method), str(protocol)) for method, protocol in runs[["method", "protocol"]].itertuples(index=False)}
    known = {sheet.name: sheet.published for sheet in method_sheets(kept)}
    return {(method, protocol): known[method][protocol] for method, protocol in asked if method in known}


def count_verdicts(rows: Iterable[ReproductionRow]) -> dict[Verdict, int]:
    """How many rows have each verdict."""
    counts = dict.fromkeys(Verdict, 0)
    for row in rows:
        counts[row.verdict] += 1
    return counts


_Key = tuple[str, str, str, int, str, str]


def _printed(published: pd.DataFrame) -> Mapping[_Key, Mapping[float, tuple[list[str], str]]]:
    """Distinct printed values of each question, with all of their sources."""
    plain = published[(published["metric"] == "accuracy") & (published["variant"] == "") & published["shots"].notna()]
    found: dict[_Key, dict[float, tuple[list[str], str]]] = defaultdict(dict)
    columns = [
        "method",
        "protocol",
        "backbone",
        "shots",
        "dataset",
        "split",
        "value",
        "reported_in",
        "source_table",
        "note",
    ]
    for method, protocol, backbone, shots, dataset, split, value, where, table, note in plain[columns].itertuples(
        index=False, name=None
    ):
        # zero-shot accuracy over all classes is the same question in every protocol that scores all classes
        asked = "few-shot" if protocol == "zero-shot" else protocol
        place = found[method, asked, backbone, 0 if method == "zero_shot" else int(shots), dataset, split]
        sources, before = place.setdefault(round(float(value), 6), ([], ""))
        source = f"{where}, {table}" if table else str(where)
        if source not in sources:
            sources.append(source)
        if note and note not in before:
            place[round(float(value), 6)] = (sources, f"{before} {note}".strip())
    return found


def _key(board: Leaderboard, entry: Entry, dataset: str, split: str) -> _Key:
    setting = board.setting
    shots = 0 if entry.recipe is None and entry.method == "zero_shot" else setting.shots
    return (entry.method, setting.protocol, setting.backbone, shots, dataset, split)


def _ours(entry: Entry, scores: Scores, dataset: str, split: str) -> list[float]:
    by_seed = [values[split] for _, values in sorted(scores[dataset].items())]
    return by_seed[:1] if entry.cells[dataset].n == 1 else by_seed


def _row(
    board: Leaderboard,
    entry: Entry,
    dataset: str,
    split: str,
    printed: float,
    sources: list[str],
    note: str,
    ours: list[float],
    run_ids: tuple[str, ...],
    margin: float,
    defaults: PublishedSettings | None,
) -> ReproductionRow:
    test = equivalence(ours, margin=margin, reference=printed)
    # H of the seed means is what both report; its test uses the H of each seed
    mean = entry.cells[dataset].scores[split].mean if split == H else sum(ours) / len(ours)
    difference = mean - printed
    verdict, needed = Verdict.UNDER_POWERED, None
    reasons = _unlike(board, entry, defaults)
    if reasons:
        verdict = Verdict.PROTOCOL_DIFFERS
    elif entry.method == "zero_shot":
        verdict = Verdict.REPRODUCED if abs(difference) <= margin else Verdict.NOT_REPRODUCED
    elif test is not None:
        if test.equal():
            verdict = Verdict.REPRODUCED
        elif test.different:
            verdict = Verdict.NOT_REPRODUCED
        else:
            spread = entry.cells[dataset].scores[split].std or 0.0
            needed = seeds_needed(margin - abs(difference), spread)
    return ReproductionRow(
        entry=entry.key,
        method=entry.method,
        backbone=board.setting.backbone,
        protocol=board.setting.protocol,
        shots=board.setting.shots,
        dataset=dataset,
        split=split,
        published=printed,
        ours=mean,
        difference=difference,
        low=test.low if test else None,
        high=test.high if test else None,
        p=test.p if test else None,
        n=len(ours),
        verdict=verdict,
        seeds_needed=needed,
        sources=tuple(sources),
        note=" ".join([note, *reasons]).strip(),
        run_ids=run_ids,
    )


def _unlike(board: Leaderboard, entry: Entry, defaults: PublishedSettings | None) -> list[str]:
    """Why an entry of ours does not ask the published question."""
    reasons = []
    if entry.recipe_name not in (None, "published"):
        reasons.append(f"Ours was trained with the recipe {entry.recipe_name!r}.")
    if entry.recipe is not None and not board.setting.draw.startswith("coop"):
        reasons.append(f"Ours saw the images of the draw {board.setting.draw!r}.")
    published = (defaults or {}).get((entry.method, board.setting.protocol))
    if published is None:
        if entry.label:
            reasons.append(f"Ours has the settings {entry.label}.")
    else:
        changed = sorted(key for key in entry.config if entry.config[key] != published.get(key, entry.config[key]))
        if changed:
            reasons.append(f"Ours has {', '.join(f'{key}={entry.config[key]}' for key in changed)}.")
    return reasons
