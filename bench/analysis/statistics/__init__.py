"""Statistics of repeated measurements, as pure functions of arrays.

- `crossed`: the noise of scores and differences on a dataset. `mean_tests`, `separate_tests`, `interval_of_mean` and
  `intervals_of_datasets` make tests and intervals of it.
- `student_t`, `wilson`: intervals of single samples. `holm`, `rank_ranges`: many tests at once.
- `detectable_difference`: what a test finds, and the seeds for half of it.

Example:
    >>> from bench.analysis.statistics import crossed, holm, mean_tests
    >>> noise = [crossed([[0.7, 0.8], [0.69, 0.77]], [], [0], [1]), crossed([[0.6, 0.6], [0.58, 0.56]], [], [0], [1])]
    >>> (test,) = mean_tests(noise)  # A - B: two datasets with two seeds each, 1 and 3 points, 2 and 4 points
    >>> round(test.mean, 4), round(test.low, 4), round(test.high, 4)  # 0.025 -+ 4.303 * 0.00707
    (0.025, -0.0054, 0.0554)
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
