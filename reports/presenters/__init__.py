"""Builds the views of a page from results of `bench`.

`__init__.pyi` lists the names for other rooms.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
