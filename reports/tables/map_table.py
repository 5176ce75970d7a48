"""The map: methods by datasets from easy to hard, with the gain over zero-shot in each cell.

`script/map.js` computes the same table for other settings, scores and methods, and draws the band above its columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from reports._format import counted, shorten
from reports.tables.html import reach_of
from reports.tables.setting_tables import SettingData, has_gap, mean_score, pair_address, rounded, share
from reports.titles import score_title

FIRST_METHODS = 10
"""Methods that the map shows at first, besides zero-shot."""
MOST_ROWS = 15
"""The map shows so many methods at once before it shows only the first."""
NAME_LENGTH = 24
"""Most characters of a dataset in the head of a column."""
LEAST_SCALE, SCALED = 400, 0.95
"""The full shade stands for the 95th percentile of the gains, and at least for 4 points, in 0.01 points."""


def map_table(setting: SettingData, measure: str, titles: Mapping[str, str], *, errors: bool) -> dict[str, Any]:
    """The map of a setting by one measure; the chosen method of the band is that of the answer.

    A cell leads to what the method changed on the dataset if the page has `errors`, else to the dataset.
    """
    methods, baseline, answer = setting["methods"], setting["baseline"], setting["answers"][measure]
    order, datasets = _order(methods, measure), _by_difficulty(answer["places"])
    scores = {(m, d): mean_score(setting, measure, m, d) for m in order for d in datasets}
    zero_bar = None if baseline is None else methods[baseline]["bars"].get(measure, [None])[0]

    def gain(method: int, dataset: int) -> int | None:
        zero, mine = scores.get((baseline, dataset)), scores[method, dataset]
        return None if zero is None or mine is None else rounded(mine - zero)

    gains = {place: value for place in scores if (value := gain(*place)) is not None and place[0] != baseline}
    sizes = sorted(map(abs, gains.values()))
    largest = max([LEAST_SCALE, *sizes[int(SCALED * (len(sizes) - 1)) :][:1]])

    def dataset_cell(method: int, dataset: int) -> Any:
        score, classes = scores[method, dataset], "gap" if has_gap(setting, measure, method, dataset) else ""
        tip = _score_tip(setting, measure, method, dataset, score)
        if score is None or (gained := gains.get((method, dataset))) is None:
            return [None, None if score is None else str(rounded(score / 100)), tip, classes]
        about, address = setting["datasets"][dataset], setting["datasets"][dataset]["address"]
        if errors and setting.get("runs"):
            parts = (setting["anchor"], methods[method]["key"], about["name"])
            address = "look=" + "/".join(quote(part, safe="!'()*") for part in parts)
        return [gained, [min(share(gained, largest), 100), address], tip, classes]

    def score_cell(method: int) -> Any:
        mean = methods[method]["means"].get(measure)
        return [None if mean is None else mean[0], None, "", "key"]

    def bar_cell(method: int) -> Any:
        if (bar := methods[method]["bars"].get(measure)) is None:
            return None
        linked = baseline is not None and method != baseline
        return [[*bar, zero_bar], *([pair_address(methods[method], methods[baseline])] if linked else [])]

    ranked = any(method.get("rank") for method in methods)
    timed = any(method.get("time") for method in methods)
    rows = [
        [
            *([[*(methods[m].get("rank") or [None, "–"]), "", "rank"]] if ranked else []),
            m,
            score_cell(m),
            bar_cell(m),
            *(dataset_cell(m, d) for d in datasets),
            *([[methods[m]["seconds"], methods[m]["time"] or "–", "", "time"]] if timed else []),
        ]
        for m in order
    ]
    x = next(iter(answer["x"].values()), [None] * len(datasets))
    named = {
        d: kind for kind, group in zip(("easy", "medium", "hard"), answer["groups"], strict=True) for d in group[:1]
    }
    found: dict[str, Any] = {
        "id": f"{setting['anchor']}-map-table",
        "columns": [
            *([["Rank", "word", "Ranks that are consistent with the paired tests", "rank"]] if ranked else []),
            ["Method", "method"],
            [score_title(measure), "heat", titles[measure], "score"],
            [
                f"Interval{' here' if setting.get('runs') else ''}",
                "bar",
                "95 %; dashed: zero-shot",
            ],
            *(_column(setting, answer, d, named.get(d, "")) for d in datasets),
            *([["Training", "word", "Mean time of one run"]] if timed else []),
        ],
        "rows": rows,
        "classes": "map",
        "rowClasses": ["baseline" if m == baseline else "" if methods[m]["complete"] else "incomplete" for m in order],
        "caption": _caption(baseline, largest, difficult=any(value is not None for value in x)),
        "band": {"from": 3 + ranked, "cells": [_difficulty_text(x[d]) for d in datasets], "datasets": datasets},
    }
    if len(rows) > MOST_ROWS:
        found["first"] = FIRST_METHODS
        found["pinned"] = [order.index(baseline)] if baseline is not None else []
    families = [methods[m]["family"] for m in order]
    if len(set(families)) > 1:
        found |= {"filters": families, "filterName": "Family"}
    return found


def _by_difficulty(places: Sequence[float | None]) -> list[int]:
    """The datasets from easy to hard; those without a difficulty last."""
    return sorted(range(len(places)), key=lambda d: (places[d] is None, places[d] or 0.0, d))


def _order(methods: Sequence[Mapping[str, Any]], measure: str) -> list[int]:
    """The methods by their mean, complete ones first."""

    def key(number: int) -> tuple[bool, float, int]:
        mean = methods[number]["means"].get(measure)
        return not methods[number]["complete"], 1 if mean is None else -mean[0], number

    return sorted(range(len(methods)), key=key)


def _score_tip(setting: SettingData, measure: str, method: int, dataset: int, score: float | None) -> str:
    """The score of a cell with its interval over seeds and test images, and its number of runs."""
    if score is None:
        return ""
    reach, ids = setting.get("reach", {}).get(measure), setting.get("runs")
    sides = None if reach is None else reach[method][dataset]
    runs = sum(run is not None for run in ids[method][dataset]) if ids else 0
    interval = "" if sides is None else f" {reach_of(sides)}"
    return f"{rounded(score) / 100:.2f}{interval} %" + (f", {counted(runs, 'run')}" if runs else "")


def _column(setting: SettingData, answer: Mapping[str, Any], dataset: int, group: str) -> list[str]:
    """Title, kind, hint, classes and group of a dataset; the group is named above its first column."""
    about, zero = setting["datasets"][dataset], answer["zeroShot"][dataset]
    seen = about.get("seen")
    classes = answer["classes"][dataset]
    facts = [
        about["title"],
        f"{classes} classes" if classes else "",
        "" if zero is None else f"zero-shot {_percent(zero)} %",
    ]
    title = shorten(about["title"], NAME_LENGTH) + (f" ({seen[0]})" if seen else "")
    return [title, "pair", ", ".join(filter(None, facts)) + (f". {seen[1]}" if seen else ""), "slim", group]


def _percent(fraction: float) -> str:
    return f"{rounded(1000 * fraction) / 10:.1f}"


def _difficulty_text(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"


def _caption(baseline: int | None, largest: int, *, difficult: bool) -> str:
    below = " No difficulty is known for these datasets, so their order says nothing."
    if baseline is None:
        return f"Cells: accuracy in %.{'' if difficult else below}"
    if difficult:
        below = " Numbers below the band: difficulty, chance / zero-shot accuracy."
    return (
        f"Cells: gain over zero-shot in points, shaded up to {rounded(largest / 100)}. Grey row: zero-shot accuracy."
        f"{below}"
    )
