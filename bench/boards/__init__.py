"""Results leave the house: submissions, public boards, and files of the Hugging Face Hub.

- `submissions/`: a folder with a bundle of runs, facts about who submits it, and the checks that it must pass. Nothing
  of a submission is executed.
- `build`, `summary`, `verify`, `template`: a board made of submissions, its changes, repeated runs, and its repository.
- `hugging_face`: leaderboards in the formats of the Hugging Face Hub.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
