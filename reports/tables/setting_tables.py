"""Tables that are computed from the data of a setting: head to head and shots.

The page's data does not contain them. `script/setting_tables.js` computes them for other settings and scores.
"""

import math
from collections.abc import Mapping
from statistics import harmonic_mean, mean
from typing import Any

from bench.analysis import splits_of
from reports._format import counted, p_value, shorten
from reports.tables.html import signed_hundredths
from reports.titles import PHRASES

SettingData = Mapping[str, Any]
"""A setting of the page's data (`reports.page_data`)."""
NAME_LENGTH = 40
"""Most characters of a method in the head of a column."""


def head_to_head_table(setting: SettingData) -> dict[str, Any]:
    """Differences of all pairs of ranked methods, row minus column; a cell links to the chart of its pair."""
    methods, pairs = setting["methods"], setting["pairs"]
    order, rows = pairs["order"], pairs["rows"]
    found = {(a, b): (mean, low, high, p, shown) for a, b, mean, low, high, p, shown in rows}
    found |= {(b, a): (-mean, _minus(high), _minus(low), p, shown) for a, b, mean, low, high, p, shown in rows}
    largest = max((abs(mean) for mean, *_, shown in found.values() if shown), default=0) or 1
    score = "" if pairs["measure"] == setting["measures"][-1] else f"score={pairs['measure']}&"

    def pair_cell(a: int, b: int) -> Any:
        if (a, b) not in found:
            return None
        mean, low, high, p, shown = found[a, b]
        tip = "no interval: one seed"
        if low is not None:
            word = "significant" if shown else "not significant"
            tip = f"95 % interval {signed_hundredths(low)} to {signed_hundredths(high)}; {p_value(p)}, {word}"
        shade = share(mean, largest) if shown else 0
        return [mean, [shade, score + pair_address(methods[a], methods[b])], tip, "shown" if shown else "faint"]

    what = PHRASES[pairs["measure"]]
    return {
        "id": f"{setting['anchor']}-pairs-table",
        "columns": [
            ["Row minus column", "method"],
            *([shorten(methods[m]["name"], NAME_LENGTH), "pair", methods[m]["name"], "slim"] for m in order),
        ],
        "rows": [[a, *(pair_cell(a, b) for b in order)] for a in order],
        "caption": f"Mean difference in {what} over the datasets, row minus column, in points. Bold and shaded: "
        "significant on these datasets (paired over datasets and seeds, Holm-corrected over "
        f"{counted(len(rows), 'pair')}). Click a number to plot the pair; its tooltip "
        "has the 95&nbsp;% interval and the p value.",
        "classes": "matrix",
    }


def shots_table(setting: SettingData, settings: Mapping[str, SettingData], measure: str) -> dict[str, Any]:
    """The average of every method by number of shots, as on the leaderboards of those shots."""
    related = with_other_shots(setting, settings)
    means = [{method["key"]: method.get("means", {}).get(measure) for method in other["methods"]} for other in related]
    return {
        "id": f"{setting['anchor']}-shots-table",
        "columns": [
            ["Method", "method"],
            *([_shots(other["facets"][2]), "pm", "", "score"] for other in related),
        ],
        "rows": [
            [number, *(by_key.get(method["key"]) for by_key in means)]
            for number, method in enumerate(setting["methods"])
        ],
        "caption": "Mean over the datasets of each leaderboard, %, ± the 95&nbsp;% interval.",
        "classes": "matrix",
    }


def with_other_shots(setting: SettingData, settings: Mapping[str, SettingData]) -> list[SettingData]:
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


def mean_score(setting: SettingData, measure: str, method: int, dataset: int) -> float | None:
    """Mean over seeds in 0.01 %, not rounded; None without results. A harmonic mean is computed for each seed first."""
    found = [setting["scores"][split][method][dataset] for split in splits_of(measure)]
    if not all(found):  # a paper may give one of two splits alone
        return None
    by_seed = zip(*found, strict=True)
    found = [harmonic_mean(values) for values in by_seed if None not in values]
    return mean(found) if found else None


def has_gap(setting: SettingData, measure: str, method: int, dataset: int) -> bool:
    """Whether a seed of a cell is missing."""
    return any(None in (setting["scores"][split][method][dataset] or [None]) for split in splits_of(measure))


def pair_address(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """The address of the chart of two methods, given their addresses `method=KEY&setting=ANCHOR`."""
    first, *rest = a["address"].split("&")
    key = b["address"].split("&")[0].removeprefix("method=")
    return "&".join(["view=difficulty", *rest, f"A={first.removeprefix('method=')}", f"B={key}"])


def _shots(facet: str) -> str:
    return counted(int(facet), "shot") if facet.isdecimal() else "all images"


def _but_shots(setting: SettingData) -> tuple[str, ...]:
    return tuple(facet for place, facet in enumerate(setting["facets"]) if place not in (2, 4))


def _minus(value: int | None) -> int | None:
    return None if value is None else -value


def share(value: float, largest: float) -> int:
    """The size of a value in percent of the largest."""
    return rounded(100 * abs(value) / largest)


def rounded(value: float) -> int:
    """To the next integer, halves up like in JavaScript."""
    return math.floor(value + 0.5)
