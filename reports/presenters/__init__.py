"""Views of the page from results, one module per section; the only adapter between `bench` and `reports`.

`__init__.pyi` lists the names for other folders of `bench`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
