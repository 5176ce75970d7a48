"""Analysis of runs: pure functions of the store's frames.

- `leaderboard`, `leaderboards`: one board per setting, with intervals, coverage and cost.
  `table_exports`: CSV, Markdown and LaTeX.
- `ranking`: significant differences and ranks on a board. `comparison`: two entries on the same images.
- `best_method`: the leader of a setting, its lead, gains on easy and hard datasets, and advice by budget.
- `pareto`: accuracy against cost. `accuracy_over_time`: accuracy over training time. `selection_rules`: their cost.
- `quality`: calibration and other metrics of stored predictions. `error_analysis`: confused classes and hard images.
- `dataset_difficulty`, `easy_and_hard`, `difficulty_trend`, `trends`: which methods and components benefit on difficult
  datasets.

Parameters named `runs`, `outcomes`, `curves`, `difficulty` and `published` are the frames of `bench.results.Store` with
that name (`runs_frame()`, ...). A `board` must be made from the same `runs`. Other rooms import
the names of `__init__.pyi`, each of which is loaded on first use.

Example:
    >>> from bench.analysis.pareto import pareto_front
    >>> pareto_front(cost=[1, 2, 3], score=[0.5, 0.7, 0.6]).tolist()  # the third costs more than the second, for less
    [True, True, False]
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
