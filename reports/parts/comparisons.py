"""Head to head, and accuracy against shots."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from bench.analysis import Verdict
from reports._format import counted, p_value, shorten
from reports._format import signed_points as points_text
from reports.charts.shots import shots_svg
from reports.parts.part import Part, chart, fold, heading, paragraph, table
from reports.tables.page_table import Column, Table, TableCell, cell, whole
from reports.titles import PHRASES
from reports.verdict_sentences import LONGEST_NAME
from reports.views import AnyBoardView, BoardView, OverviewView

MOST_SHOWN = 20
"""Largest number of methods in a head-to-head table that is rendered at once; a larger one waits until it is opened."""


def pairs_parts(view: BoardView, here: str) -> list[Part]:
    """Differences of all pairs of ranked methods; `here` ends the address of a chart of this setting."""
    complete = len(view.verdict.ranked)
    if complete < 2:
        return [paragraph(f"No pair to compare: {counted(complete, 'method')} with all runs.", "missing")]
    title = f"All pairs of {counted(complete, 'method')}"
    if complete > MOST_SHOWN:
        shown = [table(_pairs_table(view, here))]
        return [fold(f"{view.anchor}-pairs", title, f"{complete * (complete - 1) // 2} pairs", shown)]
    return [heading(f"{view.anchor}-pairs", title), table(_pairs_table(view, here))]


def _pairs_table(view: BoardView, here: str) -> Table:
    verdict, numbers = view.verdict, view.numbers
    columns = [Column("Row minus column", "method")]
    names = {key: view.entry_name(key) for key in verdict.ranked}
    columns += [Column(shorten(name, LONGEST_NAME), "pair", name, "slim") for name in names.values()]
    rows: list[list[TableCell]] = [
        [numbers[a], *(_pair_cell(verdict, a, b, here) for b in verdict.ranked)] for a in verdict.ranked
    ]
    n = len(verdict.ranked)
    caption = (
        f"Mean difference in {PHRASES[verdict.measure]} over the datasets, row minus column, in points. Bold and "
        "coloured: clear on these datasets (paired over datasets, seeds and images, "
        f"{counted(n * (n - 1) // 2, 'pair')} together). A number leads to the chart of "
        "the pair; its tooltip has the 95 % interval and the p value."
    )
    return Table(f"{view.anchor}-pairs-table", columns, rows, caption=caption, classes="matrix")


def _pair_cell(verdict: Verdict, a: str, b: str, here: str) -> TableCell:
    """The difference of two methods, with the address of its chart."""
    test = verdict.on_these(a, b) if a != b else None
    if test is None:
        return None
    if test.low is None or test.high is None:
        tip = "not tested: no predictions, or the same answers"
    else:
        p = "" if test.p is None else f"; {p_value(test.p)}"
        tip = (
            f"95 % interval {points_text(test.low)} to {points_text(test.high)}{p}, {'' if test.clear else 'not '}clear"
        )
    address = f"A={quote(a, safe='')}&B={quote(b, safe='')}{here}"
    return cell(whole(test.mean), [int(test.clear), address], tip, "shown" if test.clear else "faint")


def shots_parts(overview: OverviewView, related: Sequence[AnyBoardView]) -> list[Part]:
    """Accuracy by number of shots on boards that differ in the shots only; empty for one board."""
    boards = [board for board in related if isinstance(board, BoardView)]
    if len(boards) < 2:
        return []
    counts = [board.board.setting.shots for board in boards]
    caption = (
        "Score in % by images per class. Circle and diamond: the two methods of the first chart, with 95 % intervals "
        "over seeds, cut at the ends of a panel. Grey: all other methods. Dashed: zero-shot."
    )
    parts = [heading(f"{overview.anchor}-by-shots", f"{', '.join(map(str, counts))} shots")]
    if len({frozenset(board.board.averaged) for board in boards}) > 1:
        known = ", ".join(
            f"{counted(len(board.averaged), 'dataset')} with {count}"
            for board, count in zip(boards, counts, strict=True)
        )
        parts.append(paragraph(f"Means of different datasets are not comparable: {known} shots.", "missing"))
    drawings = [(measure, shots_svg(boards, overview, measure)) for measure in overview.table.measures]
    return [*parts, chart(f"{overview.anchor}-shots", "shots", caption, "", drawings)]


def with_other_shots(setting: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """This setting and the settings that differ only in the number of shots, by increasing shots.

    For an incomplete setting, this is the view that compares the runs that its methods have in common. A setting with
    all training images is returned alone.
    """
    if not setting["facets"][2].isdecimal():
        return [setting]
    same = [
        other
        for other in settings.values()
        if other is setting
        or (
            _but_shots(other) == _but_shots(setting)
            and not other["whole"]
            and other["facets"][2] not in (setting["facets"][2], "all")
        )
    ]
    return sorted(same, key=lambda other: int(other["facets"][2]))


def _but_shots(setting: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(facet for place, facet in enumerate(setting["facets"]) if place not in (2, 4))
