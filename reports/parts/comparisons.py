"""Head to head, datasets and methods, and accuracy against shots: tables computed from the data of the setting."""

from collections.abc import Mapping
from typing import Any

from reports._format import counted
from reports.parts.part import Part, block, chart, fold, heading, paragraph
from reports.tables.composed import with_other_shots
from reports.views import BoardView

MOST_SHOWN = 20
"""Largest number of methods in a head-to-head table that is rendered at once; a larger one waits until it is opened."""


def pairs_parts(view: BoardView) -> list[Part]:
    """Differences of all pairs of ranked methods."""
    complete = len(view.standings.ranks)
    if complete < 2:
        return [paragraph(f"No pair to compare: {counted(complete, 'method')} with all runs.", "missing")]
    title = f"All pairs of {counted(complete, 'method')}"
    if complete > MOST_SHOWN:
        return [fold(f"{view.anchor}-pairs", title, f"{complete * (complete - 1) // 2} pairs", [block("head_to_head")])]
    return [heading(f"{view.anchor}-pairs", title), block("head_to_head")]


def datasets_parts(view: BoardView) -> list[Part]:
    """Scores of all methods on all datasets."""
    return [heading(f"{view.anchor}-datasets", "Every score"), block("datasets")]


def shots_parts(setting: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Part]:
    """Accuracy by number of shots; empty unless other settings differ only in the shots."""
    related = with_other_shots(setting, settings)
    if len(related) < 2 or "pairs" not in setting:
        return []
    anchor = setting["anchor"]
    shots = ", ".join(other["facets"][2] for other in related)
    label = f"Accuracy against shots ({shots}), on average and on each dataset"
    caption = (
        "Score in % by images per class. Circle and diamond: the two methods of the first chart, with 95 % intervals "
        "over seeds. Grey: all other methods. Dashed: zero-shot."
    )
    parts = [heading(f"{anchor}-by-shots", f"{shots} shots")]
    sets = {tuple(sorted(d["name"] for d in other["datasets"])) for other in related}
    if len(sets) > 1:
        counts = ", ".join(f"{counted(len(o['datasets']), 'dataset')} with {o['facets'][2]}" for o in related)
        parts.append(paragraph(f"Means of different datasets are not comparable: {counts} shots.", "missing"))
    return [*parts, chart(f"{anchor}-shots", "shots", label, caption), block("shots")]
