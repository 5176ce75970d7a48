"""Runs whose code is not ours: predictions from files, and official repositories that are run unmodified."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
