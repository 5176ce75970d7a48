"""Custom datasets of a user: folders, tables, archives, Hugging Face data and feature bundles."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
