"""Tuned models for use without this package: ONNX, TorchScript, a linear head, or a folder for the Hugging Face Hub.

Every export is compared with the model's own logits before it is written. A method that a format cannot represent is
refused by name, with the reason.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
