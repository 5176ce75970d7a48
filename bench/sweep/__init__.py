"""From a request to finished runs: expand it into specs, subtract what is on disk, launch the rest.

`__init__.pyi` lists the names that other layers use. Each is loaded on first use, since the command line reads the
request's options for every `--help`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
