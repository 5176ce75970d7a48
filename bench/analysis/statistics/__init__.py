"""Statistics of repeated measurements, as pure functions of arrays.

- `student_t`, `grouped_t`, `group_tests`: intervals of a mean over seeds, of the mean over datasets, and on each
  dataset.
- `equivalence`: a test of equality. `holm`, `rank_ranges`: many tests at once.
- `detectable_difference`: what a test finds, and the seeds for half of it.

Example:
    >>> from bench.analysis.statistics import grouped_t, holm
    >>> test = grouped_t([[0.01, 0.03], [0.02, 0.04]])  # A - B: two datasets with two seeds each
    >>> test.mean, round(test.low, 4), round(test.high, 4)  # 0.025 -+ 4.303 * 0.00707
    (0.025, -0.0054, 0.0554)
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
