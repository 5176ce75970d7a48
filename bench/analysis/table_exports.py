"""Leaderboards as CSV, Markdown or LaTeX, with the page's numbers; the best number and its ties are marked. Pure."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product
from types import MappingProxyType
from typing import Any

from bench._util.words import counted
from bench.analysis.columns import NOT_COMPUTED, LeaderboardColumn, Place, leaderboard_columns, measure_name
from bench.analysis.leaderboard import Entry, Leaderboard
from bench.analysis.measures import HARMONIC, OPEN, H, HConvention
from bench.analysis.score_texts import percent, reach_text
from bench.analysis.seen_datasets import published_overlap
from bench.analysis.statistics.intervals import Estimate
from bench.analysis.verdict import Verdict, board_verdict, why_no_ranks
from bench.spec import DEMO_RECIPE

_FORMULA = re.compile(r"[=@\t\r\n]|[+-](?![\d.]+$)")
"""The beginning of texts that spreadsheets run as formulas; does not match plain numbers."""
NOTHING: Mapping[str, str] = MappingProxyType({})
"""No titles or ranks."""
DIGITS = 6
"""Digits after the point in CSV."""
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
    """May match the best here."""
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
    board: Leaderboard, verdicts: Mapping[str, Verdict], titles: Mapping[str, str] = NOTHING
) -> ExportTable:
    """Averages over the datasets of a board, with marks on the best number of each column and its ties.

    Incomplete entries and oracles have neither ranks nor marks.

    Args:
        verdicts: `board_verdicts` of the board.
        titles: of entries by key; without a title an entry has its key.
    """
    columns = {column.titles[Place.TABLE]: column for column in leaderboard_columns(board, Place.TABLE)}
    marks = {head: _marks(verdicts[name]) for head, name in _measures(columns).items() if name in verdicts}

    def cell_of(entry: Entry, head: str) -> ExportCell | None:
        found = columns[head].value(entry)
        if isinstance(found, Estimate):
            return _cell(found, marks.get(head, {}).get(entry.key, Mark.NONE))
        return None if found is None else ExportCell(str(found), "", Mark.NONE)

    told = verdicts[board.measures[-1]]
    rows = _rows(board, told.ranks, cell_of, list(columns), titles)
    title = f"{board.setting.title}, average of {counted(len(board.averaged), 'dataset')}"
    note = (
        f"Accuracy in per cent with 95 % intervals over {_covered(board)}. Bold: highest{_ties(told)}. Incomplete rows "
        "are unranked"
        f"{', and so are oracles, which select with test labels' if any(e.oracle for e in board.entries) else ''}."
    )
    if board.common is not None:
        grid = f"{counted(len(board.averaged), 'dataset')} and {counted(len(board.seeds), 'seed')}"
        note += f" Runs are missing: averaged over the {grid} that the ranked methods share; n/N counts all runs."
    if H in board.measures:
        note += f" H: {_H_NOTES[board.convention]}."
    return ExportTable(title, tuple(columns), rows, note + _provenance_notes(board))


def dataset_table(
    board: Leaderboard,
    verdict: Verdict,
    titles: Mapping[str, str] = NOTHING,
) -> ExportTable:
    """The measure of a verdict on each dataset, with marks on the best number of each column and its ties.

    A number whose seeds are incomplete has its coverage `n/N` and no mark.

    Args:
        verdict: that of the averages, which has the ranks.
        titles: of entries and of datasets, by key and name.
    """
    measure = verdict.measure
    marks = {name: _marks(board_verdict(board.on_dataset(name), measure)) for name in board.datasets}

    def cell_of(entry: Entry, dataset: str) -> ExportCell | None:
        if not board.array.has(entry.key, dataset):
            return None
        score, (n, expected) = board.score(entry.key, dataset, measure), board.scored(entry.key, dataset)
        if score is None:
            return ExportCell(NOT_COMPUTED, "", Mark.NONE)
        found = _cell(score, marks[dataset].get(entry.key, Mark.NONE))
        return found if n == expected else replace(found, coverage=f"{n}/{expected}")

    rows = _rows(board, verdict.ranks, cell_of, board.datasets, titles)
    columns = tuple(titles.get(name, name) for name in board.datasets)
    note = (
        f"Accuracy in per cent with 95 % intervals over {_covered(board)}. Bold: highest of the column"
        f"{_ties(verdict)}. Numbers of fewer seeds have their coverage."
    )
    title = f"{board.setting.title}, {measure_name(measure)}, by dataset"
    return ExportTable(title, columns, rows, note + _provenance_notes(board))


def without_intervals(table: ExportTable) -> ExportTable:
    """The table with the means alone."""
    rows = tuple(
        (name, rank, tuple(None if cell is None else replace(cell, reach="") for cell in cells), coverage)
        for name, rank, cells, coverage in table.rows
    )
    first, _, rest = table.note.partition(".")
    return replace(table, rows=rows, note=f"{first.partition(' with 95 % intervals')[0]}.{rest}")


def rows_by_dataset(board: Leaderboard) -> list[dict[str, Any]]:
    """One row per entry, dataset and measure: fractions at full precision, coverage and run ids.

    `pretraining_overlap` is the published share of test images in the backbone's pretraining data, as text: `unknown
    share` if some are and the share is not published, empty if nothing is published about the dataset.
    """
    overlap = {name: _overlap(name, board.setting.backbone) for name in board.datasets}
    measures = [name for name in (*board.splits, H, OPEN, *HARMONIC[OPEN]) if name in board.array.values]
    rows = []
    for entry, dataset in product(board.entries, board.datasets):
        n, expected = board.scored(entry.key, dataset)
        for measure in measures:
            score = board.score(entry.key, dataset, measure)
            if score is None:
                continue
            zero = None if board.baseline in (None, entry.key) else board.array.mean(board.baseline, dataset, measure)
            rows.append(
                {
                    "entry": entry.key,
                    "method": entry.method,
                    "label": entry.label,
                    "dataset": dataset,
                    "measure": measure,
                    "mean": score.mean,
                    "low": score.low,
                    "high": score.high,
                    "intervals": str(score.covers) if score.covers else None,
                    "seeds_std": score.std,
                    "images": score.images,
                    "gain": None if zero is None else score.mean - zero,
                    "n": n,
                    "expected": expected,
                    "complete": n == expected,
                    "pretraining_overlap": overlap[dataset],
                    "imported": entry.imported,
                    "run_ids": list(board.array.ids(entry.key, dataset)),
                }
            )
    return rows


def _overlap(dataset: str, backbone: str) -> str:
    found = published_overlap(dataset, backbone)
    return "" if found is None else "unknown share" if found.share is None else str(found.share)


def to_csv(rows: Sequence[Mapping[str, Any]], titles: Mapping[str, str] = NOTHING) -> str:
    """CSV of `board_rows` or `rows_by_dataset` with six digits after the point, without run ids.

    A column `title` follows `entry` if there are titles, by key. Texts that a spreadsheet would run as formulas begin
    with an apostrophe.
    """
    text = io.StringIO()
    # oracles have one more
    columns = list(dict.fromkeys(name for row in rows for name in row if name != "run_ids")) or ["entry"]
    if titles and "entry" in columns:
        columns.insert(columns.index("entry") + 1, "title")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        values = {**row, "title": titles.get(row.get("entry", ""), "")}
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
    head = " & ".join(["Rank", "Method", *(_tex(column) for column in table.columns), "$n/N$"])
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
    known = [board.average(entry.key, board.measures[-1]) for entry in board.entries]
    found = Counter(str(estimate.covers) for estimate in known if estimate is not None and estimate.covers)
    return "; with one seed, over ".join(covers for covers, _ in found.most_common()) or "nothing: there is one seed"


def _provenance_notes(board: Leaderboard) -> str:
    stale = [f"{entry.key}: {entry.stale}" for entry in board.entries if entry.stale]
    imported = [f"{entry.key}: {entry.imported}" for entry in board.entries if entry.imported]
    demo = any(entry.recipe_name == DEMO_RECIPE for entry in board.entries)
    return (
        (" Demo: short trainings (recipe demo), not those of the papers." if demo else "")
        + (f" † Made with another version of the method's code: {'; '.join(stale)}." if stale else "")
        + (f" ‡ Imported, not verified: {'; '.join(imported)}." if imported else "")
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


def _marks(verdict: Verdict) -> Mapping[str, Mark]:
    """Marks of one column: all numbers that are printed like the highest are the best."""
    if verdict.leader is None:
        return {}
    top = percent(verdict.averages[verdict.leader])
    marks = dict.fromkeys(verdict.open_here(verdict.leader) if verdict.has_ranks else (), Mark.TIES)
    return marks | {key: Mark.BEST for key, mean in verdict.averages.items() if percent(mean) == top}


def _ties(verdict: Verdict) -> str:
    """What an underlined number is, or why no number is underlined and no row ranked."""
    if verdict.has_ranks:
        return "; underlined: may match it here (paired over seeds and images, all pairs together)"
    return f". {why_no_ranks(verdict)}".rstrip(". ")


def _measures(columns: Mapping[str, LeaderboardColumn]) -> dict[str, str]:
    """The measure of each column that has one, by its head."""
    return {head: column.titles[Place.DATA] for head, column in columns.items() if Place.DATA in column.titles}


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
