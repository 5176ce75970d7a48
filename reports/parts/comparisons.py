"""Head to head, and accuracy against shots."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.analysis import Verdict
from reports._format import counted, p_value
from reports.charts.shots import shots_svg
from reports.parts.part import Part, chart, fold, heading, paragraph
from reports.titles import PHRASES
from reports.views import AnyBoardView, BoardView, OverviewView

MOST_SHOWN = 20
"""Largest number of methods in a head-to-head table that is rendered at once; a larger one waits until it is opened."""


def pairs_parts(view: BoardView) -> list[Part]:
    """Differences of all pairs of ranked methods; `script/pairs.js` draws the table from the data of the setting."""
    verdict = view.verdict
    ranked = verdict.ranked
    if len(ranked) < 2:
        return [paragraph(f"No pair to compare: {counted(len(ranked), 'method')} with all runs.", "missing")]
    title, pairs = (
        f"All pairs of {counted(len(ranked), 'method')}",
        counted(len(ranked) * (len(ranked) - 1) // 2, "pair"),
    )
    caption = (
        f"Mean difference in {PHRASES[verdict.measure]} over the datasets, row minus column, in points. Bold and "
        f"coloured: clear on these datasets (paired over datasets, seeds and images, {pairs} together). A number leads "
        "to the chart of the pair; its tooltip has the 95 % interval and the p value."
    )
    tests = [[_clear_and_p(verdict, a, b) for b in ranked[place + 1 :]] for place, a in enumerate(ranked)]
    matrix = ["pairs", f"{view.anchor}-pairs-table", caption, tests]
    if len(ranked) > MOST_SHOWN:
        return [fold(f"{view.anchor}-pairs", title, pairs, [matrix])]
    return [heading(f"{view.anchor}-pairs", title), matrix]


def _clear_and_p(verdict: Verdict, first: str, second: str) -> tuple[int, str]:
    """Whether a difference is clear on these datasets, and its p value as text."""
    test = verdict.on_these(first, second)
    return (0, "") if test is None else (int(test.clear), "" if test.p is None else p_value(test.p))


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
        sizes = ", ".join(
            f"{counted(len(board.board.averaged), 'dataset')} with {count}"
            for board, count in zip(boards, counts, strict=True)
        )
        parts.append(paragraph(f"Means of different datasets are not comparable: {sizes} shots.", "missing"))
    drawings = [(measure, shots_svg(boards, overview, measure)) for measure in overview.table.measures]
    return [*parts, chart(f"{overview.anchor}-shots", "shots", caption, "", drawings)]


def with_other_shots(setting: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """This setting and the settings that differ only in the number of shots, by increasing shots.

    For an incomplete setting, this is the view that compares the runs that its methods have in common. A setting with
    all training images is returned alone.
    """

    def apart_from_shots(some: Mapping[str, Any]) -> tuple[str, ...]:
        backbone, protocol, _, draw, _ = some["facets"]
        return backbone, protocol, draw

    shots = setting["facets"][2]
    if not shots.isdecimal():
        return [setting]
    alike = [
        other
        for other in settings.values()
        if apart_from_shots(other) == apart_from_shots(setting)
        and not other["whole"]
        and other["facets"][2] not in (shots, "all")
    ]
    return sorted([setting, *alike], key=lambda other: int(other["facets"][2]))
