"""Tuned models: what a run learned, kept in one small file with all that is needed to use it.

`model_info` is the description in the file, which is read without torch. `model_file` writes and reads the file, `keep`
turns a trained method into tensors and back, `novelty` scores images that are unlike the training images, and
`model_card` writes the card beside the file.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
