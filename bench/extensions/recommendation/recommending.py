"""Which method to take, from Python, with the options of `etl-bench recommend`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.extensions.recommendation.prior import PublishedNumbers
from bench.extensions.recommendation.request import DEFAULT_BUDGET, RecommendRequest
from bench.extensions.recommendation.result import Recommendation
from bench.extensions.recommendation.run import carry_out_recommendation, train_choice


def recommend(
    dataset: str,
    *,
    backbone: str | None = None,
    shots: int = 8,
    budget: str | float = DEFAULT_BUDGET,
    margin: float = 0.5,
    methods: str | Sequence[str] = (),
    seeds: str | int = 3,
    runs: str | Path = "runs",
    progress: bool | Callable[[str], None] = True,
    **options: Any,
) -> Recommendation:
    """Recommend a method for a dataset, by a race on its labelled training images. The test part is not used.

    Args:
        dataset: one registered dataset.
        backbone: `arch.tag`, or `ARCH=FILE`; required for all but synthetic datasets.
        shots: labelled images per class that the method will be trained on.
        budget: minutes, or a text such as `"20min"` or `"90s"`.
        margin: largest loss that does not matter, in percentage points.
        methods: candidates; by default all that work on stored features.
        seeds: repetitions of cross-fitting.
        runs: the runs folder; the race's runs are in `race` inside.
        progress: whether decisions of the race are printed on standard error, or a function that receives them.
        options: further options of `etl-bench run`, such as `data_root`, `cache`, `device`, `jobs` or `recipe`.

    Returns:
        The recommendation: `pick`, `decision`, `doubling`, `priors`, `race`. Print it, show it in a notebook, or use
        `to_json()`.

    Raises:
        UsageError: a wrong value, or a budget that does not cover one method.
    """
    folders = {name: Path(options[name]).expanduser() for name in ("data_root", "cache") if options.get(name)}
    request = RecommendRequest.build(
        dataset,
        backbone=backbone,
        shots=shots,
        budget=budget,
        margin=margin,
        methods=methods,
        seeds=seeds,
        runs=Path(runs).expanduser(),
        **options | folders,
    )
    return recommend_request(request, (_print if progress else _ignore) if isinstance(progress, bool) else progress)


def recommend_request(request: RecommendRequest, say: Callable[[str], None]) -> Recommendation:
    """The answer to a request, with published numbers as prior knowledge; `say` receives a line for each decision."""
    from bench.papers import DATASETS, published_difficulty, published_frame
    from bench.sweep import trackers_after_run

    published = PublishedNumbers(published_frame(), published_difficulty(), DATASETS)
    hooks = trackers_after_run(request.sweep.trackers, request.race_runs, say)
    return carry_out_recommendation(request, say, published, hooks)


def train_recommended(found: Recommendation) -> tuple[Path, str] | None:
    """Train the recommended method and keep its model; returns the file, and its accuracy and sets as text.

    None means that it failed. Raises KeyboardInterrupt if it is interrupted; finished trainings are kept.
    """
    from bench.analysis import accuracy_text
    from bench.experiment import read_model_info
    from bench.sweep import LogStyle, open_log

    path = train_choice(found, open_log(LogStyle.AUTO))
    if path is None:
        return None
    info = read_model_info(path)
    right = ", ".join(f"right on test images: {accuracy_text(score.accuracy, score.n)}" for score in info.scores)
    sets = info.sets.unavailable
    return path, f"{right}; {f'no prediction sets: {sets}' if sets else 'prediction sets with `predict`'}"


def _print(line: str) -> None:
    sys.stderr.write(line + "\n")


def _ignore(line: str) -> None:
    pass
