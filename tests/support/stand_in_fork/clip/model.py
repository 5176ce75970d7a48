from collections import OrderedDict

import torch
from torch import nn


class LayerNorm(nn.LayerNorm):
    """In fp32 whatever the type of its input."""

    def forward(self, x):
        return super().forward(x.type(torch.float32)).type(x.dtype)


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class ResidualAttentionBlock(nn.Module):
    def __init__(self, width, heads, mask=None):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads)
        self.ln_1, self.ln_2 = LayerNorm(width), LayerNorm(width)
        layers = [("c_fc", nn.Linear(width, 4 * width)), ("gelu", QuickGELU()), ("c_proj", nn.Linear(4 * width, width))]
        self.mlp = nn.Sequential(OrderedDict(layers))
        self.mask = mask

    def forward(self, x):
        mask = None if self.mask is None else self.mask.to(dtype=x.dtype, device=x.device)
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, width, layers, heads, mask=None):
        super().__init__()
        self.resblocks = nn.Sequential(*[ResidualAttentionBlock(width, heads, mask) for _ in range(layers)])

    def forward(self, x):
        return self.resblocks(x)


class VisionTransformer(nn.Module):
    def __init__(self, grid, patch, width, layers, output):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, kernel_size=patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(grid**2 + 1, width))
        self.ln_pre, self.ln_post = LayerNorm(width), LayerNorm(width)
        self.transformer = Transformer(width, layers, width // 64)
        self.proj = nn.Parameter(torch.zeros(width, output))

    def forward(self, x):
        x = self.conv1(x).flatten(2).permute(0, 2, 1)
        first = self.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1)
        x = self.ln_pre(torch.cat([first, x], dim=1) + self.positional_embedding.to(x.dtype))
        x = self.transformer(x.permute(1, 0, 2)).permute(1, 0, 2)
        return self.ln_post(x[:, 0]) @ self.proj


class CLIP(nn.Module):
    def __init__(self, state):
        super().__init__()
        width, _, patch, _ = state["visual.conv1.weight"].shape
        grid = round((state["visual.positional_embedding"].shape[0] - 1) ** 0.5)
        output = state["text_projection"].shape[1]
        context, text_width = state["positional_embedding"].shape
        self.visual = VisionTransformer(grid, patch, width, self._layers(state, "visual.transformer"), output)
        mask = torch.full((context, context), float("-inf")).triu_(1)
        self.transformer = Transformer(text_width, self._layers(state, "transformer"), text_width // 64, mask)
        self.token_embedding = nn.Embedding(*state["token_embedding.weight"].shape)
        self.positional_embedding = nn.Parameter(torch.zeros(context, text_width))
        self.ln_final = LayerNorm(text_width)
        self.text_projection = nn.Parameter(torch.zeros(text_width, output))
        self.logit_scale = nn.Parameter(torch.zeros([]))

    @staticmethod
    def _layers(state, prefix):
        start = prefix + ".resblocks."
        return len({name[len(start) :].split(".")[0] for name in state if name.startswith(start)})

    @property
    def dtype(self):
        return self.visual.conv1.weight.dtype

    def encode_image(self, image):
        return self.visual(image.type(self.dtype))

    def encode_text(self, text):
        x = self.token_embedding(text).type(self.dtype) + self.positional_embedding.type(self.dtype)
        x = self.ln_final(self.transformer(x.permute(1, 0, 2)).permute(1, 0, 2)).type(self.dtype)
        return x[torch.arange(x.shape[0]), text.argmax(dim=-1)] @ self.text_projection


def convert_weights(model):
    """Half precision for all layers but the norms."""

    def to_half(layer):
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.weight.data = layer.weight.data.half()
            if layer.bias is not None:
                layer.bias.data = layer.bias.data.half()
        if isinstance(layer, nn.MultiheadAttention):
            for name in ("in_proj_weight", "in_proj_bias"):
                tensor = getattr(layer, name)
                tensor.data = tensor.data.half()
        for name in ("text_projection", "proj"):
            if isinstance(getattr(layer, name, None), nn.Parameter):
                getattr(layer, name).data = getattr(layer, name).data.half()

    model.apply(to_half)


def build_model(state_dict):
    model = CLIP(state_dict)
    convert_weights(model)
    model.load_state_dict(state_dict, strict=False)
    return model.eval()
