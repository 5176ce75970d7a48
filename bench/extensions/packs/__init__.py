"""Feature packs: frozen features of datasets in one file, from which methods run without images and weights.

- `contents`, `reads`: what a pack has, and what a run reads. Both load no torch.
- `making`: makes a pack. `stored`: opens one, plans and feeds runs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
