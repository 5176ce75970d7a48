"""The noise of a mean difference: how much is due to the seeds, and equality in practice. Pure."""

from __future__ import annotations

from scipy.special import stdtr

from bench.analysis.statistics.intervals import MeanTest

EQUAL_MARGIN = 0.01
"""Largest difference of two accuracies that counts as equal in practice: one point, as in verdicts on papers."""


def seed_share(test: MeanTest) -> float | None:
    """The share of a mean's variance that is due to the seeds (draw of training images and training), 0..1.

    The rest is due to the test images, which more seeds do not reduce. None without a standard error, or with one seed.
    """
    if test.standard_error is None or test.smallest_group < 2:
        return None
    return 1 - min(test.image_error**2 / test.standard_error**2, 1.0)


def equivalence_probability(test: MeanTest, margin: float = EQUAL_MARGIN) -> float | None:
    """The probability that two means differ by less than the margin; None without a standard error.

    This is the posterior with a flat prior, Student's t around the difference with the test's degrees of freedom (as
    Benavoli et al., JMLR 2017, for cross-validation). Unlike a p value it can speak for equality.
    """
    if test.standard_error is None or test.df is None:
        return None
    above, below = (float(stdtr(test.df, (end - test.mean) / test.standard_error)) for end in (margin, -margin))
    return above - below
