"""Analysis of runs: pure functions of the store's frames.

- `leaderboard`: one board per setting, with intervals, coverage and cost. `table_exports`: CSV, Markdown and LaTeX.
- `ranking`: significant differences and ranks on a board. `comparison`: two entries on the same images.
- `pareto`: accuracy against cost. `learning_curves`: accuracy over training time.
- `quality`: calibration and other metrics, which `prediction_metrics` recomputes from stored predictions.
  `error_analysis`: confused classes and hard images. `open_score`: the areas of the open score.
- `difficulty_trend`, `contrasts`, `difficulty_groups`: which methods and components benefit on difficult datasets.
- `claims`: sentences tested on runs. `reproduction`: published numbers against ours.

Parameters named `runs`, `outcomes`, `curves`, `difficulty` and `published` are the frames of `bench.results.Store` with
that name (`runs_frame()`, ...). A `board` must be made from the same `runs`. Import from the modules, so that a command
loads only what it uses.

Example:
    >>> from bench.analysis.pareto import pareto_front
    >>> pareto_front(cost=[1, 2, 3], score=[0.5, 0.7, 0.6]).tolist()  # the third costs more than the second, for less
    [True, True, False]
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
