"""Analysis of runs: pure functions of frames and arrays, and the types that they return.

`Leaderboard`, `Entry`, `Cell` and `Verdict` are the central types; the report shows them as they are.
Parameters named `runs`, `outcomes` and `difficulty` are the frames of `bench.results.Store` with that name
(`runs_frame()`, ...). A `board` must be made from the same `runs`. `statistics` and `metrics` are functions of arrays.

Example:
    >>> from bench.analysis.pareto import pareto_front
    >>> pareto_front(cost=[1, 2, 3], score=[0.5, 0.7, 0.6]).tolist()  # the third costs more than the second, for less
    [True, True, False]
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
