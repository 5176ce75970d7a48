"""Which method to take, from Python, with the options of `etl-bench recommend`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.extensions.recommendation.request import RecommendRequest

if TYPE_CHECKING:
    from bench.extensions.recommendation.result import Recommendation


def recommend(dataset: str, *, progress: bool | Callable[[str], None] = True, **options: Any) -> Recommendation:
    """Recommend a method for a dataset, by a race on its labelled training images. The test part is not used.

    Args:
        dataset: one registered dataset.
        progress: whether decisions of the race are printed on standard error, or a function that receives them.
        options: those of `RecommendRequest.build`, such as `backbone`, `shots`, `budget` or `methods`.

    Returns:
        The recommendation: `pick`, `decision`, `doubling`, `priors`, `race`. Print it, show it in a notebook, or use
        `to_json()`.

    Raises:
        UsageError: a wrong value, or a budget that does not cover one method.
    """
    from bench.extensions.recommendation.prior import PublishedNumbers
    from bench.extensions.recommendation.run import carry_out_recommendation
    from bench.papers import DATASETS, published_difficulty, published_frame

    request = RecommendRequest.build(dataset, **options)
    say = (_print if progress else _ignore) if isinstance(progress, bool) else progress
    published = PublishedNumbers(published_frame(), published_difficulty(), DATASETS)
    return carry_out_recommendation(request, say, published)


def train_recommended(found: Recommendation) -> tuple[Path, str] | None:
    """Train the recommended method and keep its model; returns the file, and its accuracy and sets as text.

    None means that it failed. Raises KeyboardInterrupt if it is interrupted; finished trainings are kept.
    """
    from bench.analysis import score_texts
    from bench.experiment import read_model_info
    from bench.extensions.recommendation.run import train_choice
    from bench.sweep import LogStyle, open_log

    path = train_choice(found, open_log(LogStyle.AUTO))
    if path is None:
        return None
    info = read_model_info(path)
    right = ", ".join(
        f"right on test images: {score_texts.accuracy_text(score.accuracy, score.n)}" for score in info.scores
    )
    sets = info.sets.unavailable
    return path, f"{right}; {f'no prediction sets: {sets}' if sets else 'prediction sets with `predict`'}"


def _print(line: str) -> None:
    sys.stderr.write(line + "\n")


def _ignore(line: str) -> None:
    pass
