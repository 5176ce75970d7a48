"""The Python door: every command is a function here. Pages are rendered by `reports`, which is imported when needed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
