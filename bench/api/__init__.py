"""The Python door: run a sweep, load its results, rank, compare and report them. The command line calls these."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
