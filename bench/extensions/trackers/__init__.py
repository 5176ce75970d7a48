"""Sends finished runs to experiment trackers: MLflow, Weights & Biases and trackio."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
