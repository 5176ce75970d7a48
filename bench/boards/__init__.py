"""A board: a folder of submissions, the static site built from it, and the changes of a new submission."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
