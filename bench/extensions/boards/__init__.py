"""Public leaderboards from submissions.

- `submissions/`: a folder with a bundle of runs, facts about who submits it, and the checks that it must pass. Nothing
  of a submission is executed.
- `build`, `page`, `summary`, `verify`, `template`: a board made of submissions, its page, its changes, repeated runs,
  and its repository.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
