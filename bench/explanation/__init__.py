"""What a tuned model learned: words near its context, ensemble weights, norms, changed predictions, maps, class texts.

Each file computes one section from the model alone or from given images; `explain` collects them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
