"""The map of the first screen as texts, for readers without scripts; `script/map.js` draws it for others."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import harmonic_mean, mean
from typing import Any

from bench.analysis import splits_of
from reports._format import points, unsigned
from reports.titles import score_title


@dataclass(frozen=True)
class PlainMap:
    """Methods by datasets from easy to hard, as texts.

    Args:
        columns: title and, of a dataset, its difficulty.
        rows: the texts of each method, best first.
        baseline: number of the row of zero-shot, whose cells are accuracies in percent; None without one. The cells of
            other rows are then gains in points.
        caption: what the cells are, and by what the datasets are ordered.
    """

    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[str]]
    baseline: int | None
    caption: str


def plain_map(setting: Mapping[str, Any]) -> PlainMap:
    """The map of a setting of the page's data, by its last measure."""
    measure, methods, baseline = setting["measures"][-1], setting["methods"], setting["baseline"]
    answer = setting["answers"][measure]
    places, difficulty = answer["places"], next(iter(answer["x"].values()), [None] * len(answer["places"]))
    datasets = sorted(range(len(places)), key=lambda d: (places[d] is None, places[d] or 0.0, d))

    def text(method: int, dataset: int) -> str:
        score = _mean_score(setting, measure, method, dataset)
        zero = None if baseline is None else _mean_score(setting, measure, baseline, dataset)
        if score is None:
            return "–"
        return unsigned(score / 1e4) if method == baseline or zero is None else points(_rounded(score - zero) / 1e4)

    known = any(value is not None for value in difficulty)
    ranked, timed = (any(method.get(name) for method in methods) for name in ("rank", "time"))
    columns = [
        ("Method", ""),
        *([("Rank", "")] if ranked else []),
        (score_title(measure), ""),
        ("95 % interval", ""),
        *((_dataset(setting, d), _difficulty(difficulty[d]) if known else "") for d in datasets),
        *([("Time", "")] if timed else []),
    ]
    rows = [
        [
            method["name"] + ("" if method["complete"] else " (incomplete)"),
            *([method["rank"][measure][1]] if ranked else []),
            *_score_texts(*method["means"].get(measure, [None, None])),
            *(text(number, dataset) for dataset in datasets),
            *([method["time"] or "–"] if timed else []),
        ]
        for number, method in enumerate(methods)
    ]
    below = "Below the names: difficulty, chance / zero-shot accuracy among all classes."
    if not known:
        below = "No difficulty is known for these datasets, so their order says nothing."
    cells = "Accuracy in %." if baseline is None else "Gain over zero-shot in points; for zero-shot, its score in %."
    return PlainMap(columns, rows, baseline, f"{cells} {below}" if baseline is not None or not known else cells)


def _difficulty(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"


def _dataset(setting: Mapping[str, Any], dataset: int) -> str:
    """The title of a dataset, marked if the backbone has seen its images."""
    about = setting["datasets"][dataset]
    return f"{about['title']} ({about['seen'][0]})" if "seen" in about else str(about["title"])


def _mean_score(setting: Mapping[str, Any], measure: str, method: int, dataset: int) -> float | None:
    """Mean over seeds in 0.01 %; None without results. A harmonic mean is computed for each seed first."""
    found = [setting["scores"][split][method][dataset] for split in splits_of(measure)]
    if not all(found):  # a paper may give one of two splits alone
        return None
    by_seed = [harmonic_mean(values) for values in zip(*found, strict=True) if None not in values]
    return mean(by_seed) if by_seed else None


def _score_texts(score: int | None, sides: int | Sequence[int] | None) -> tuple[str, str]:
    """A mean in 0.01 %, and the ends of its interval."""
    if score is None:
        return "–", "–"
    if sides is None:
        return unsigned(score / 1e4), "–"
    below, above = (sides, sides) if isinstance(sides, int) else sides
    return unsigned(score / 1e4), " to ".join(unsigned(end / 1e4) for end in (score - below, score + above))


def _rounded(value: float) -> int:
    """To the next integer, halves up like in JavaScript."""
    return math.floor(value + 0.5)
