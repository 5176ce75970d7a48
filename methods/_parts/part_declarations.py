"""The table of parts that a composed method is made of: which modules, with which sizes, in which order.

Each part states its sizes and its number of parameters as formulas over the method's settings and the backbone's sizes
(`methods._base.parameter_formula`). A composed method therefore needs no code to build or count its parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods._backbones.backbone import Backbone
from methods._base.method_info import MethodConfig
from methods._base.parameter_formula import evaluate_formula
from methods._parts.adapters import BottleneckAdapter, make_adapter
from methods._parts.learned_prompts import Coupling, TextContext, VisualPrompts


class Parts(nn.Module):
    """Learned parts around a frozen backbone. A side without a part is frozen.

    `coupling` replaces `visual_prompts` and needs a `text_context`.
    """

    def __init__(
        self,
        *,
        visual_prompts: VisualPrompts | None = None,
        text_context: TextContext | None = None,
        coupling: Coupling | None = None,
        text_adapter: nn.Module | None = None,
        visual_adapter: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.visual_prompts = visual_prompts
        self.text_context = text_context
        self.coupling = coupling
        self.text_adapter = text_adapter
        self.visual_adapter = visual_adapter

    def visual_prompt_tokens(self) -> list[Tensor]:
        """Visual prompts by block; empty without any."""
        if self.coupling is not None and self.text_context is not None:
            coupled: list[Tensor] = self.coupling(self.text_context.layers())
            return coupled
        return list(self.visual_prompts.layers) if self.visual_prompts else []


@dataclass(frozen=True)
class Part:
    """One learned part.

    Args:
        slot: the argument of `Parts` that it fills.
        parameters: formula of its number of parameters.
        make_module: creates the module from the values of `sizes`, the backbone and the generator.
        sizes: formulas of the arguments that depend on settings.
        when: formula; if it is false, the part is left out.
    """

    slot: str
    parameters: str
    make_module: Callable[..., nn.Module]
    sizes: tuple[str, ...]
    when: str = ""

    @property
    def parameter_formula(self) -> str:
        """`parameters`, or 0 if the part is left out."""
        return f"({self.parameters}) * ({self.when})" if self.when else self.parameters

    def build(self, config: MethodConfig, backbone: Backbone, generator: torch.Generator) -> nn.Module | None:
        """The newly initialised module; None if the part is left out."""
        if self.when and not evaluate_formula(self.when, backbone, config):
            return None
        return self.make_module(*(evaluate_formula(size, backbone, config) for size in self.sizes), backbone, generator)


def visual_prompts(depth: str = "visual_depth") -> Part:
    """`n_visual` tokens in each of the first `depth` image blocks, 0 for all."""
    parameters = f"n_visual * image_width * ({depth} or image_blocks)"
    return Part("visual_prompts", parameters, VisualPrompts, ("n_visual", depth))


def text_context(n: str = "n_text", depth: str = "text_depth", *, words: str = "ctx_init", when: str = "") -> Part:
    """`n` tokens in each of the first `depth` text blocks, 0 for all.

    `words` is a formula for the initial words of the input context.
    """
    return Part("text_context", f"{n} * text_width * ({depth} or text_blocks)", TextContext, (n, depth, words), when)


def coupling(depth: str) -> Part:
    """Visual prompts of the first `depth` blocks as linear maps of the text context."""
    return Part("coupling", f"{depth} * (text_width + 1) * image_width", Coupling, (depth,))


def adapter(side: str) -> Part:
    """An adapter of the kind that the settings `adapter` and `rank` choose, on the `text` or `visual` feature."""
    linear = "embed_dim * (embed_dim + 1) if adapter == 'linear'"
    narrow = "embed_dim * (2 * rank + (adapter == 'low_rank'))"
    return Part(f"{side}_adapter", f"({linear} else {narrow})", make_adapter, ("adapter", "rank"))


def bottleneck(side: str, ratio: str) -> Part:
    """CLIP-Adapter's bottleneck on the `text` or `visual` feature, blended with share `ratio`."""

    def make_bottleneck(hidden: int, ratio: float, backbone: Backbone, generator: torch.Generator) -> nn.Module:
        return BottleneckAdapter(backbone.embed_dim, hidden, ratio, generator)

    hidden = "embed_dim // reduction"
    return Part(f"{side}_adapter", f"2 * embed_dim * ({hidden})", make_bottleneck, (hidden, ratio))
