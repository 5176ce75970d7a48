"""Carries out one run, from its spec to its record: task, features, training, evaluation, tuned model, difficulty."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
