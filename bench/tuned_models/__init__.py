"""From a tuned model to its use: prediction, export, explanation, suggested labels, and the choice of a method.

The file of a tuned model is written and read by `bench.experiment`, since a run writes it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
