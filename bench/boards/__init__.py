"""Results leave the house: files of the Hugging Face Hub.

- `hugging_face`: leaderboards in the formats of the Hugging Face Hub.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
