"""The catalogue of ETL methods. Each file without a leading underscore is one method.

`__init__.pyi` lists the public names. A name is loaded on first use and the catalogue when the registry is first read,
so importing this package loads no torch.

Example:
    >>> from methods import get_method
    >>> get_method("coop").info.title
    'CoOp'
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
