import os
import urllib.request
import warnings

import torch

from .model import build_model
from .simple_tokenizer import SimpleTokenizer

_tokenizer = SimpleTokenizer()
_MODELS = {
    "RN50": "https://weights.invalid/clip/models/0123/RN50.pt",
    "ViT-B/32": "https://weights.invalid/clip/models/4567/ViT-B-32.pt",
    "ViT-B/16": "https://weights.invalid/clip/models/89ab/ViT-B-16.pt",
}


def _download(url, root=os.path.expanduser("~/.cache/clip")):
    os.makedirs(root, exist_ok=True)
    target = os.path.join(root, os.path.basename(url))
    if not os.path.isfile(target):
        with urllib.request.urlopen(url) as source, open(target, "wb") as file:
            file.write(source.read())
    return target


def available_models():
    return list(_MODELS)


def load(name, device="cuda" if torch.cuda.is_available() else "cpu", jit=False):
    path = _download(_MODELS[name]) if name in _MODELS else name
    with open(path, "rb") as file:
        try:
            model = torch.jit.load(file, map_location=device if jit else "cpu").eval()
            state_dict = None
        except RuntimeError:
            if jit:
                warnings.warn("File %s is not a JIT archive. Loading as a state dict instead" % path, stacklevel=2)
            state_dict = torch.load(file, map_location="cpu")
    model = build_model(state_dict or model.state_dict()).to(device)
    return model.float() if str(device) == "cpu" else model


def tokenize(texts, context_length=77):
    rows = torch.zeros(len(texts), context_length, dtype=torch.long)
    for row, text in zip(rows, texts, strict=True):
        tokens = [49406, *_tokenizer.encode(text), 49407]
        row[: len(tokens)] = torch.tensor(tokens)
    return rows
