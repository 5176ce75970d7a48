"""The noise of a mean difference: its sources, what more seeds would buy, and equality in practice. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import stdtr

from bench.analysis.statistics.intervals import MeanTest

EQUAL_MARGIN = 0.01
"""Largest difference of two accuracies that counts as equal in practice: one point, as in verdicts on papers."""


@dataclass(frozen=True)
class Noise:
    """Where the noise of a mean difference from the leader comes from, and what more data would buy.

    Args:
        error: standard error of the difference on these datasets.
        seeds: share of its variance that is due to the seeds (draw of training images and training), 0..1.
        more_seeds: the standard error with one seed more.
    """

    error: float
    seeds: float
    more_seeds: float

    @property
    def images(self) -> float:
        """Share of the variance that is due to the test images, which more seeds do not reduce."""
        return 1 - self.seeds


def noise_of(test: MeanTest) -> Noise | None:
    """The noise of a tested mean difference. None without a standard error, or with one seed.

    The variance between seeds shrinks as 1 / S, the one of the test images stays.
    """
    if test.standard_error is None or test.smallest_group < 2:
        return None
    total, images = test.standard_error**2, min(test.image_error**2, test.standard_error**2)
    seeds, size = total - images, test.smallest_group
    return Noise(
        error=test.standard_error,
        seeds=seeds / total,
        more_seeds=math.sqrt(images + seeds * size / (size + 1)),
    )


def equivalence_probability(test: MeanTest, margin: float = EQUAL_MARGIN) -> float | None:
    """The probability that two means differ by less than the margin; None without a standard error.

    This is the posterior with a flat prior, Student's t around the difference with the test's degrees of freedom (as
    Benavoli et al., JMLR 2017, for cross-validation). Unlike a p value it can speak for equality.
    """
    if test.standard_error is None or test.df is None:
        return None
    above, below = (float(stdtr(test.df, (end - test.mean) / test.standard_error)) for end in (margin, -margin))
    return above - below
