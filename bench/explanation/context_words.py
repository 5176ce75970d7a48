"""The vocabulary entries nearest to each learned context token, as CoOp reports them, and their distances."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from methods import Context, Method, TextContext
from reports.views import ContextView, TokenView

SAMPLE = 512
"""Number of vocabulary entries whose distance to their nearest neighbour is measured."""


@torch.no_grad()
def context_words(method: Method[Any], k: int = 3) -> ContextView | None:
    """The k nearest vocabulary entries of each learned input token; None for a method without such tokens.

    Deeper prompts are hidden states, not word embeddings, so they are left out.
    """
    tokens = list(_input_tokens(method))
    if not tokens:
        return None
    table = method.backbone.text_tower.modules.token_embedding.weight.detach().float()
    names, vectors = [name for name, _ in tokens], torch.stack([vector for _, vector in tokens]).to(table)
    distances, indices = torch.cdist(vectors, table).topk(k, largest=False)
    words = method.backbone.tokenizer.vocabulary()
    found = tuple(
        TokenView(name, tuple((words[i], float(d)) for i, d in zip(row, far, strict=True)))
        for name, row, far in zip(names, indices.tolist(), distances.tolist(), strict=True)
    )
    usual = usual_distance(table)
    return ContextView(found, usual, sum(token.nearest[0][1] > usual for token in found))


def usual_distance(table: Float[Tensor, "n width"]) -> float:
    """Median distance from an entry to its nearest neighbour, over a fixed sample of entries."""
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(table), generator=generator)[:SAMPLE].to(table.device)
    return float(torch.cdist(table[chosen], table).topk(2, largest=False).values[:, 1].median())


def _input_tokens(method: Method[Any]) -> Iterator[tuple[str, Tensor]]:
    """Name and vector of each learned token that enters the text tower among word embeddings."""
    trained = getattr(method, "trainable", None)
    if not isinstance(trained, nn.Module):
        return
    for module in trained.modules():
        if not isinstance(module, Context | TextContext):
            continue
        context = module.ctx.detach().float()
        if context.dim() == 2:
            yield from ((f"token {i + 1}", vector) for i, vector in enumerate(context))
        else:
            names = method.support_classes.names
            for name, own in zip(names, context, strict=True):
                yield from ((f"{name}, token {i + 1}", vector) for i, vector in enumerate(own))
