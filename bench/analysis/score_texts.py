"""Scores and their intervals as texts in per cent."""

from bench.analysis.statistics.intervals import Estimate
from bench.analysis.statistics.score_intervals import wilson


def percent(fraction: float, digits: int = 2) -> str:
    """A fraction in percent, without the sign: 0.717 -> 71.70."""
    return f"{100 * fraction:.{digits}f}"


def reach_text(estimate: Estimate, digits: int = 2) -> str:
    """The distances of a score to the ends of its interval: `± 1.20`, or `−2.10/+0.40`; empty without an interval.

    Example:
        >>> reach_text(Estimate(0.717, 3, low=0.705, high=0.729)), reach_text(Estimate(0.99, 1, low=0.94, high=0.998))
        ('± 1.20', '−5.00/+0.80')
    """
    if estimate.sides is None:
        return ""
    below, above = (percent(side, digits) for side in estimate.sides)
    return f"± {above}" if below == above else f"−{below}/+{above}"


def score_text(estimate: Estimate, digits: int = 2) -> str:
    """A score with its interval, `71.70 ± 1.20`; the score alone if the interval is unknown."""
    return " ".join(filter(None, [percent(estimate.mean, digits), reach_text(estimate, digits)]))


def accuracy_text(accuracy: float, n: int) -> str:
    """The accuracy of one run on n test images with Wilson's interval over images like these.

    Example:
        >>> accuracy_text(0.9, 10)
        '90.0 % (59.6 to 98.2, n = 10)'
    """
    low, high = wilson(accuracy, n)
    return f"{percent(accuracy, 1)} % ({percent(low, 1)} to {percent(high, 1)}, n = {n})"
