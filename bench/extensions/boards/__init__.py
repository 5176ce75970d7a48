"""Public leaderboards from submissions: a folder with a bundle of runs and facts about who submits it.

Nothing of a submission is executed by its checks.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
