"""Checks that every method must pass, for the tests and `etl-bench methods check`; they need neither network nor pytest."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
