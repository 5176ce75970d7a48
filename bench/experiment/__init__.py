"""Carries out one experiment, from its spec to its record: task, training, evaluation, difficulty, features."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
