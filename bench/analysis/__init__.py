"""Analysis of runs: pure functions of frames and arrays, and the types that they return.

A `Leaderboard` has the `Entry` of each method and their accuracies as one `ScoreArray`. Parameters named `outcomes` and
`difficulty` are the frames of `bench.results.Store` with that name. `statistics` and `metrics` are functions of arrays.

The headline's interval, from runs to the sentence:

1. `leaderboard_building.build_leaderboard` puts the accuracies of the runs into the array. If runs are missing,
   `compared_leaderboard` chooses the datasets and seeds on which methods are compared.
2. `verdict.board_verdict` takes the complete entries and asks for all differences by one measure.
3. `noise.differences` finds the runs that two entries share, by seed and test images.
4. `statistics.crossed.crossed` has the variance of each difference on a dataset, from seeds and from images, and
   `mean_tests` the standard error and the degrees of freedom of the mean over datasets. With one seed, only test images
   vary.
5. `verdict.simultaneous_tests` limits the degrees of freedom if there are two seeds, and widens the intervals with
   `statistics.simultaneous.family_tests`: those of pairs with zero-shot hold together, and those of all other pairs.
6. The `Verdict` has the leader, its reference and the interval of their difference, `Verdict.on_these`.

Example:
    >>> from bench.analysis.pareto import pareto_front
    >>> pareto_front(cost=[1, 2, 3], score=[0.5, 0.7, 0.6]).tolist()  # the third costs more than the second, for less
    [True, True, False]
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
