"""From a request to finished runs: expand it into specs, subtract what is on disk, and launch the rest.

`launch/` runs tasks in this process, in worker processes, or on Ray: every worker takes the next task that nobody has.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
