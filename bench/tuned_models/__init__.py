"""From a tuned model to its use: its file, prediction, and the page of a prediction."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
