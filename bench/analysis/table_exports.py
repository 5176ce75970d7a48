"""Leaderboards as CSV, Markdown or LaTeX, with the page's numbers; the best number and its ties are marked. Pure."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Any

import pandas as pd

from bench._util.words import counted
from bench.analysis.columns import NOT_COMPUTED, Place, leaderboard_columns
from bench.analysis.leaderboard import Entry, H, HConvention, Leaderboard
from bench.analysis.paired_average import board_average, paired_test
from bench.analysis.ranking import rank_entries
from bench.analysis.score_texts import percent, reach_text
from bench.analysis.scores_by_seed import Scores, seed_scores
from bench.analysis.seen_datasets import published_overlap
from bench.analysis.statistics.hypothesis_tests import holm
from bench.analysis.statistics.intervals import Estimate, MeanTest

_FORMULA = re.compile(r"[=@\t\r\n]|[+-](?![\d.]+$)")
"""The beginning of texts that spreadsheets run as formulas; does not match plain numbers."""
NOTHING: Mapping[str, str] = MappingProxyType({})
"""No titles or ranks."""
DIGITS = 6
"""Digits after the point in CSV; Parquet has every digit."""
STALE, IMPORTED = " †", " ‡"
"""Marks after the name of an entry with stale or imported runs."""


_H_NOTES = {
    HConvention.MEAN_OF_H: "harmonic mean of base and new accuracy on each dataset, averaged over the datasets",
    HConvention.H_OF_MEANS: "harmonic mean of the average base and the average new accuracy",
}


class Mark(StrEnum):
    """How a number compares with the best number of its column."""

    BEST = "best"
    TIES = "ties"
    """Not significantly different from the best: paired over seeds and images, Holm's adjustment over the column."""
    NONE = ""


@dataclass(frozen=True)
class ExportCell:
    """A number in per cent as on the page, its mark, and its coverage `n/N` if seeds are missing."""

    mean: str
    reach: str
    mark: Mark
    coverage: str | None = None


ExportRow = tuple[str, str, tuple[ExportCell | None, ...], str]


@dataclass(frozen=True)
class ExportTable:
    """A leaderboard as a table of texts.

    Args:
        rows: for each entry its name, range of ranks, cells (None if nothing is scored), and coverage `n/N`.
        note: explains the marks and ±.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[ExportRow, ...]
    note: str


def export_table(
    board: Leaderboard,
    runs: pd.DataFrame,
    ranks: Mapping[str, str] | None = None,
    titles: Mapping[str, str] = NOTHING,
) -> ExportTable:
    """Averages over the datasets of a board, with marks on the best number of each column and its ties.

    Incomplete entries and oracles have neither ranks nor marks.

    Args:
        ranks: those of `rank_entries`, if known already.
        titles: of entries by key; without a title an entry has its key.
    """
    scores = seed_scores(board, runs)
    columns = {column.titles[Place.TABLE]: column for column in leaderboard_columns(board, Place.TABLE)}
    marks = {}
    for head, column in columns.items():
        found = {entry.key: column.value(entry) for entry in board.entries if entry.rankable}
        means = {key: estimate.mean for key, estimate in found.items() if isinstance(estimate, Estimate)}
        marks[head] = _marks(means, partial(board_average, board, scores, measure=column.titles[Place.DATA]))

    def cell_of(entry: Entry, head: str) -> ExportCell | None:
        found = columns[head].value(entry)
        if isinstance(found, Estimate):
            return _cell(found, marks[head].get(entry.key, Mark.NONE))
        return None if found is None else ExportCell(str(found), "", Mark.NONE)

    rows = _rows(board, rank_entries(board, runs).ranks if ranks is None else ranks, cell_of, list(columns), titles)
    title = f"{board.setting.title}, average of {counted(len(board.averaged), 'dataset')}"
    note = (
        f"Accuracy in per cent with 95 % intervals over {_covered(board)}. Bold: highest; underlined: not shown to "
        "differ from it on these datasets (paired over seeds and images, Holm). Incomplete rows are unranked"
        f"{', and so are oracles, which select with test labels' if any(e.oracle for e in board.entries) else ''}."
    )
    if board.common is not None:
        grid = f"{counted(len(board.averaged), 'dataset')} and {counted(len(board.seeds), 'seed')}"
        note += f" Runs are missing: averaged over the {grid} that the ranked methods share; n/N counts all runs."
    if H in board.measures:
        note += f" H: {_H_NOTES[board.convention]}."
    return ExportTable(title, tuple(columns), rows, note + _provenance_notes(board))


def dataset_table(
    board: Leaderboard, runs: pd.DataFrame, measure: str, titles: Mapping[str, str] = NOTHING
) -> ExportTable:
    """One measure on each dataset, with marks on the best number of each column and its ties.

    A number whose seeds are incomplete has its coverage `n/N` and no mark. `titles` are those of entries and of
    datasets, by key and name.
    """
    scores = seed_scores(board, runs)
    marks = {}
    for dataset in board.datasets:
        means = {
            entry.key: cell.scores[measure].mean
            for entry in board.entries
            if not entry.oracle
            and (cell := entry.cells.get(dataset)) is not None
            and cell.n == cell.expected
            and measure in cell.scores
        }
        marks[dataset] = _marks(means, partial(_on_dataset, scores, measure=measure, dataset=dataset))

    def cell_of(entry: Entry, dataset: str) -> ExportCell | None:
        cell = entry.cells.get(dataset)
        if cell is None:
            return None
        if measure not in cell.scores:
            return ExportCell(NOT_COMPUTED, "", Mark.NONE)
        found = _cell(cell.scores[measure], marks[dataset].get(entry.key, Mark.NONE))
        return found if cell.n == cell.expected else replace(found, coverage=f"{cell.n}/{cell.expected}")

    rows = _rows(board, rank_entries(board, runs).ranks, cell_of, board.datasets, titles)
    columns = tuple(titles.get(name, name) for name in board.datasets)
    note = (
        f"Accuracy in per cent with 95 % intervals over {_covered(board)}. Bold: highest of the column; underlined: "
        "not shown to differ from it (paired over seeds and images, Holm). Numbers of fewer seeds have their coverage."
    )
    return ExportTable(f"{board.setting.title}, {measure}, by dataset", columns, rows, note + _provenance_notes(board))


def rows_by_dataset(board: Leaderboard) -> list[dict[str, Any]]:
    """One row per entry, dataset and measure: fractions at full precision, coverage and run ids.

    `pretraining_overlap` is the published share of test images in the backbone's pretraining data, as text: `unknown
    share` if some are and the share is not published, empty if nothing is published about the dataset.
    """
    overlap = {name: _overlap(name, board.setting.backbone) for name in board.datasets}
    return [
        {
            "entry": entry.key,
            "method": entry.method,
            "label": entry.label,
            "dataset": dataset,
            "measure": measure,
            "mean": estimate.mean,
            "low": estimate.low,
            "high": estimate.high,
            "intervals": str(estimate.covers) if estimate.covers else None,
            "seeds_std": estimate.std,
            "images": estimate.images,
            "gain": cell.gains.get(measure),
            "n": cell.n,
            "expected": cell.expected,
            "complete": cell.n == cell.expected,
            "pretraining_overlap": overlap[dataset],
            "imported": entry.imported,
            "run_ids": list(cell.run_ids),
        }
        for entry in board.entries
        for dataset, cell in entry.cells.items()
        for measure, estimate in cell.scores.items()
    ]


def _overlap(dataset: str, backbone: str) -> str:
    found = published_overlap(dataset, backbone)
    return "" if found is None else "unknown share" if found.share is None else str(found.share)


def to_csv(
    rows: Sequence[Mapping[str, Any]], titles: Mapping[str, str] = NOTHING, ranks: Mapping[str, str] = NOTHING
) -> str:
    """CSV of `board_rows` or `rows_by_dataset` with six digits after the point, without run ids.

    A column `title` follows `entry` if there are titles, by key. `ranks` are ranges of ranks, by key; they replace the
    positions by the mean. Texts that a spreadsheet would run as formulas begin with an apostrophe.
    """
    text = io.StringIO()
    # oracles have one more
    columns = list(dict.fromkeys(name for row in rows for name in row if name != "run_ids")) or ["entry"]
    if titles and "entry" in columns:
        columns.insert(columns.index("entry") + 1, "title")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        entry = row.get("entry", "")
        values = {**row, "title": titles.get(entry, "")} | ({"rank": ranks.get(entry, "")} if ranks else {})
        writer.writerow({name: _csv_text(values[name]) for name in columns if name in values})
    return text.getvalue()


def _csv_text(value: object) -> object:
    if isinstance(value, float):
        return round(value, DIGITS)
    return _safe(value) if isinstance(value, str) else value


def _safe(text: str) -> str:
    return ("'" if _FORMULA.match(text) else "") + text.replace("\r", " ")  # csv does not quote it


def to_markdown(table: ExportTable) -> str:
    """A Markdown table with the best numbers in bold and their ties underlined."""
    head = ["#", "method", *table.columns, "n/N"]
    lines = [f"**{_md(table.title)}**", "", _md_row(head), _md_row(["---"] * 2 + ["---:"] * (len(head) - 2))]
    for name, rank, cells, coverage in table.rows:
        lines.append(_md_row([rank, _md(name), *(_cell_text(cell, _MD_STYLE) for cell in cells), coverage]))
    return "\n".join([*lines, "", table.note, ""])


def to_latex(table: ExportTable) -> str:
    """A LaTeX table (booktabs) with the best numbers in bold and their ties underlined."""
    head = " & ".join(["", "Method", *(_tex(column) for column in table.columns), "$n/N$"])
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{_tex(table.title)}. {_tex(table.note)}}}",
        f"\\begin{{tabular}}{{rl{'r' * (len(table.columns) + 1)}}}",
        "\\toprule",
        f"{head} \\\\",
        "\\midrule",
    ]
    for name, rank, cells, coverage in table.rows:
        lines.append(
            " & ".join([_tex(rank), _tex(name), *(_cell_text(cell, _TEX_STYLE) for cell in cells), coverage]) + " \\\\"
        )
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", "\\end{table}", ""])


def _covered(board: Leaderboard) -> str:
    """What the intervals of the averages cover, the most frequent first."""
    known = [entry.average(board.measures[-1], board.convention) for entry in board.entries]
    found = Counter(str(estimate.covers) for estimate in known if estimate is not None and estimate.covers)
    return "; with one seed, over ".join(covers for covers, _ in found.most_common()) or "nothing: there is one seed"


def _provenance_notes(board: Leaderboard) -> str:
    stale = [f"{entry.key}: {entry.stale}" for entry in board.entries if entry.stale]
    imported = [f"{entry.key}: {entry.imported}" for entry in board.entries if entry.imported]
    return (f" † Made with another version of the method's code: {'; '.join(stale)}." if stale else "") + (
        f" ‡ Imported, not verified: {'; '.join(imported)}." if imported else ""
    )


def _rows(
    board: Leaderboard,
    ranges: Mapping[str, str],
    cell_of: Callable[[Entry, str], ExportCell | None],
    columns: Sequence[str],
    titles: Mapping[str, str],
) -> tuple[ExportRow, ...]:
    return tuple(
        (
            titles.get(entry.key, entry.key) + (STALE if entry.stale else "") + (IMPORTED if entry.imported else ""),
            ranges.get(entry.key, "–"),
            tuple(cell_of(entry, c) for c in columns),
            f"{entry.coverage}/{entry.planned}",
        )
        for entry in board.entries
    )


def _cell(estimate: Estimate, mark: Mark) -> ExportCell:
    return ExportCell(percent(estimate.mean), reach_text(estimate), mark)


def _marks(means: Mapping[str, float], compare: Callable[[str, str], MeanTest | None]) -> Mapping[str, Mark]:
    """Marks of one column from its complete means and a test of two of them."""
    if not means:
        return {}
    top = max(means.values())
    best = [key for key, mean in means.items() if percent(mean) == percent(top)]
    others = [key for key in means if key not in best]
    tests = [compare(best[0], key) for key in others]
    adjusted = iter(holm([test.p for test in tests if test is not None and test.p is not None]).tolist())
    marks = dict.fromkeys(best, Mark.BEST)
    for key, test in zip(others, tests, strict=True):
        if test is None or test.p is None or next(adjusted) > 0.05:
            marks[key] = Mark.TIES
    return marks


def _on_dataset(scores: Mapping[str, Scores], a: str, b: str, *, measure: str, dataset: str) -> MeanTest | None:
    return paired_test(scores[a], scores[b], measure, [dataset])


def _md(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|" else c for c in text.replace("\n", " "))


def _md_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "–": "--", "\n": " ",
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(c, c) for c in text)


_MD_STYLE = {Mark.BEST: "**{}**", Mark.TIES: "<u>{}</u>", "reach": " {}", "±": "±", "−": "−", "absent": "–"}
_TEX_STYLE = {
    Mark.BEST: r"\textbf{{{}}}",
    Mark.TIES: r"\underline{{{}}}",
    "reach": r" {{\scriptsize {}}}",
    "±": r"$\pm$",
    "−": "$-$",
    "absent": "--",
}


def _cell_text(cell: ExportCell | None, style: Mapping[str, str]) -> str:
    if cell is None:
        return style["absent"]
    reach = style["reach"].format(cell.reach.replace("±", style["±"]).replace("−", style["−"])) if cell.reach else ""
    coverage = "" if cell.coverage is None else f" ({cell.coverage})"
    return style.get(cell.mark, "{}").format(cell.mean) + reach + coverage
