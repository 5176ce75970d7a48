"""What a printed table of results can and cannot carry: its arithmetic, baselines, inputs, and gain against chance."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
