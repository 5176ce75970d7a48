"""Tuned models: what a run learned, in one small file with everything needed to use it.

`model_info` is the description in the file, which is read without torch. `model_file` writes and reads the file, `keep`
converts a trained method to tensors and back, `novelty` scores how unlike the training images an image is, and
`model_card` writes the card beside the file.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
