import torch
from torch import nn

_MODELS = {"ViT-B/16": "https://weights.invalid/ViT-B-16.pt"}


def _download(url):
    raise OSError("no network")


class CLIP(nn.Module):
    """The first layer of each tower."""

    def __init__(self, state):
        super().__init__()
        self.conv = nn.Parameter(state["visual.conv1.weight"])
        self.words = nn.Parameter(state["token_embedding.weight"])

    def encode_image(self, image):
        return nn.functional.conv2d(image, self.conv, stride=self.conv.shape[-1]).mean(dim=(2, 3))


def load(name, device="cuda"):
    path = _download(_MODELS[name])
    try:
        state = torch.jit.load(path, map_location="cpu").state_dict()
    except RuntimeError:
        state = torch.load(path, map_location="cpu")
    return CLIP(state).half().to(device), None
