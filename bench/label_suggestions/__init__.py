"""Selects unlabelled images to label next: uncertain images that differ from the labelled images."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
