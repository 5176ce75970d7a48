"""Leaderboards from runs, one per setting. Pure.

`settings(runs)` lists the settings that have a leaderboard, and `leaderboard(runs, setting)` builds one. Incomplete
rows are marked, so no average silently leaves out a missing run.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
