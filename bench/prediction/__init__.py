"""Prediction with tuned models: reads images from folders, tables, tars and lists, and writes one row per image.

Images are streamed, so that memory does not depend on their number.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
