"""The catalogue of datasets. Each file without a leading underscore is one dataset.

`__init__.pyi` lists the public names. A name is loaded on first use and the catalogue when the registry is first read.
Neither reads an image or imports torch.

Example:
    >>> from datasets_registry import get_dataset
    >>> get_dataset("eurosat").num_classes
    10
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
