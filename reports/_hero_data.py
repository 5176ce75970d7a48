"""The data of the first screen as one compact JSON: accuracies in 0.01 %, by class split, method, dataset and seed."""

from collections.abc import Sequence
from typing import Any

from scipy.special import stdtrit

from reports.answer_sentences import advice_check, answer, small_print
from reports.charts.hero import first_pair
from reports.views import OverviewView


def hero_data(view: OverviewView) -> dict[str, Any]:
    """Everything that the scripts draw for one setting; methods and datasets are referred to by their number."""
    keys = [method.key for method in view.methods]
    names = [dataset.name for dataset in view.datasets]
    splits = [measure for measure in view.measures if measure != "H"]
    return {
        "heading": f"{view.setting}, {view.backbone}",
        "seeds": len(view.seeds),
        "baseline": _place(keys, view.baseline),
        "methods": [[m.name, m.family, int(m.complete), m.seconds, m.link, m.key] for m in view.methods],
        "datasets": [[d.title, d.link] for d in view.datasets],
        "measures": list(view.measures),
        "axes": [[axis.name, axis.title, int(axis.log)] for axis in view.axes],
        "scores": {
            split: [[_whole(view.scores.get((key, name), {}).get(split)) for name in names] for key in keys]
            for split in splits
        },
        "answers": {measure: _answer(view, measure, keys, names) for measure in view.measures},
    }


def _answer(view: OverviewView, measure: str, keys: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    found = view.answers[measure]
    split = "all" if measure in ("H", "all") else measure
    a, b = first_pair(view, found)
    return {
        "text": str(answer(view, measure)),
        "small": str(small_print(view, measure)),
        "a": _place(keys, a),
        "b": _place(keys, b),
        "x": {
            axis.name: [_short(found.difficulty.get(axis.name, {}).get(name)) for name in names] for axis in view.axes
        },
        "places": [_short(found.places.get(name)) for name in names],
        "classes": [dataset.n_classes.get(split) for dataset in view.datasets],
        "zeroShot": [_short(dataset.zero_shot.get(split)) for dataset in view.datasets],
        "advice": {
            budget: {
                "rule": advice.rule,
                "check": advice_check(advice, measure),
                "candidates": [keys.index(key) for key in advice.candidates],
            }
            for budget, advice in found.advice.items()
        },
        "open": [[keys.index(other) for other in found.unseparated.get(key, ())] for key in keys],
    }


def _place(keys: Sequence[str], key: str | None) -> int | None:
    return None if key is None else keys.index(key)


def _whole(values: Sequence[float | None] | None) -> list[int | None] | None:
    return None if not values else [None if value is None else round(10_000 * value) for value in values]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def t_quantiles(largest: int) -> list[float]:
    """Student's t at 97.5 % with 1, 2, ... degrees of freedom, for intervals that scripts compute."""
    return [round(float(stdtrit(df, 0.975)), 5) for df in range(1, largest + 1)]
