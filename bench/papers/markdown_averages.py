"""The ledger's averages as Markdown tables: inputs of each method, spread of its printed values, and source."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from bench._util.words import counted
from bench.analysis import H, metrics
from bench.papers.catalogue import UNKNOWN_INPUTS, Catalogue
from bench.papers.printed_averages import AVERAGE, usual_datasets
from bench.papers.published_numbers import ZERO_SHOT, Standing, rows_of, system_of

if TYPE_CHECKING:
    import pandas as pd

_BY_PROTOCOL = {"cross-dataset": ("target",), "domain-generalization": ("target",), "base-to-new": ("base", "new", H)}
NOTE = (
    "Numbers of papers in per cent, none measured here. A row has the numbers of the method's own paper if they are "
    "known, else those that most papers print. * is computed from the printed numbers of that table. The spread is the "
    "lowest and the highest value that papers print for the method, whatever its training, and H by either convention; "
    "copies count as papers. "
    "Methods with other inputs than the labelled images know more, so their rows are no comparison of equals."
)


@dataclass(frozen=True)
class _Row:
    """The averages of a method in one table, by split, in per cent; `computed` are those that it does not print."""

    values: Mapping[str, float]
    computed: frozenset[str]
    standing: Standing
    reported_in: str
    table: str
    url: str


_Setting = tuple[str, str, int, tuple[str, ...]]
"""Protocol, backbone, shots and the averaged datasets."""


def averages_table(published: pd.DataFrame, catalogue: Catalogue) -> str:
    """Markdown with one table for each setting, those with most methods first; empty without an average.

    Args:
        published: rows of `published_frame()`; ablations are left out.
    """
    found: dict[_Setting, dict[str, list[_Row]]] = defaultdict(lambda: defaultdict(list))
    for (method, setting), row in _rows(published):
        found[setting][method].append(row)
    _join_untrained(found)
    order = sorted(found, key=lambda setting: (-len(found[setting]), setting))
    texts = ["\n".join(_table(setting, found[setting], catalogue)) for setting in order]
    return "\n\n".join([*texts, NOTE]) if texts else ""


def _rows(published: pd.DataFrame) -> Iterator[tuple[tuple[str, _Setting], _Row]]:
    """The averages of each method in each table."""
    plain = published[(published["metric"] == "accuracy") & (published["variant"] == "") & published["shots"].notna()]
    lines: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for number in rows_of(plain):
        names = ("method", "label", "protocol", "backbone", "shots", "reported_in", "source_table")
        lines[tuple(str(number[name]) for name in names)].append(number)
    for (method, _, printed_for, backbone, shots, reported_in, table), numbers in lines.items():
        protocol = "few-shot" if printed_for == "zero-shot" else printed_for
        by_over: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
        usual, cells = usual_datasets(protocol, backbone), defaultdict[str, dict[str, float]](dict)
        for number in numbers:
            split, value = str(number["split"]), 100 * float(number["value"])
            if number["dataset"] == AVERAGE:
                by_over[tuple(number["over"].split(","))][split] = value
            elif not number["over"]:
                cells[split][str(number["dataset"])] = value
        splits, computed = _BY_PROTOCOL.get(protocol, ("all",)), set[str]()
        for split in splits:
            if split != H and split not in by_over[usual] and set(usual) <= set(cells[split]):
                by_over[usual][split] = fmean(cells[split][name] for name in usual)
                computed.add(split)
        for over, values in by_over.items():
            if {"base", "new"} <= set(values) and H not in values:
                values[H] = metrics.harmonic_mean(values["base"], values["new"])
                computed.add(H)
            if splits[-1] in values:
                shown = {split: values[split] for split in splits if split in values}
                standing = Standing(numbers[0]["standing"])
                row = _Row(shown, frozenset(computed), standing, reported_in, table, str(numbers[0]["url"]))
                trained = 0 if method == ZERO_SHOT else int(shots)
                yield (system_of(method), (protocol, backbone, trained, over)), row


def _join_untrained(found: dict[_Setting, dict[str, list[_Row]]]) -> None:
    """Move the methods without labelled images into each table of trained ones on the same datasets."""
    for untrained in [setting for setting in found if setting[2] == 0]:
        joined = [one for one in found if one[2] > 0 and (*one[:2], *one[3:]) == (*untrained[:2], *untrained[3:])]
        for setting in joined:
            found[setting] |= found[untrained]
        if joined:
            del found[untrained]


def _table(setting: _Setting, methods: Mapping[str, Sequence[_Row]], catalogue: Catalogue) -> Iterator[str]:
    protocol, backbone, shots, over = setting
    splits = _BY_PROTOCOL.get(protocol, ("all",))
    yield f"**{protocol}, {backbone}, {counted(shots, 'shot')}, average over {counted(len(over), 'dataset')}**"
    yield ""
    heads = ["method", *splits, "inputs beyond the labelled images", f"spread of {splits[-1]}", "source"]
    yield _line(heads)
    yield _line(["---", *["---:"] * len(splits), "---", "---", "---"])
    chosen = {method: _chosen(rows, splits[-1]) for method, rows in methods.items()}
    for method in sorted(chosen, key=lambda name: (-chosen[name].values[splits[-1]], name)):
        row, uses = chosen[method], catalogue.method(method).uses
        inputs = UNKNOWN_INPUTS if uses is None else ", ".join(uses) or "none"
        values = [f"{row.values[one]:.2f}{'*' * (one in row.computed)}" if one in row.values else "" for one in splits]
        source = f"[{row.reported_in}, {row.table}]({row.url})"
        yield _line([catalogue.method(method).title, *values, inputs, _spread(methods[method], splits[-1]), source])


def _chosen(rows: Sequence[_Row], split: str) -> _Row:
    """The row of best standing, of those the one whose value most tables print."""
    counts = Counter(round(row.values[split], 2) for row in rows)
    order = list(Standing)
    return min(rows, key=lambda row: (order.index(row.standing), -counts[round(row.values[split], 2)]))


def _spread(rows: Sequence[_Row], split: str) -> str:
    values = sorted({f"{row.values[split]:.2f}" for row in rows}, key=float)
    papers = counted(len({row.reported_in for row in rows}), "paper")
    return f"{' to '.join(dict.fromkeys((values[0], values[-1])))} ({papers})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
