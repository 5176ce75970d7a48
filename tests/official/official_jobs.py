"""The comparisons: which official trainer with which settings stands beside which of our methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from methods import TrainableMethod

COMMITS = {
    "CoOp": "ff61507",
    "Dassl": "c61a1b5",
    "APEX": "9f7f4b4",
    "MaPLe": "69bce21",
    "CLIP-Adapter": "08d07f8",
    "Tip-Adapter": "d0e2d6f",
    "PromptSRC": "bb95c77",
    "KgCoOp": "c43ccc3",
    "ProGrad": "1b76203",
    "TaskRes": "5195359",
    "CLIP-LoRA": "358f0d7",
    "LP++": "f81054f",
    "CLAP": "dbdf409",
}
"""The checkouts that are needed, and the commits that the comparison was written for."""
SHOTS = 16

Tensors = Mapping[str, Tensor]
Named = Callable[[Any], Tensors]


def context(method: TrainableMethod[Any]) -> Tensors:
    return {"prompt_learner.ctx": method.trainable.ctx}


def adapter(method: TrainableMethod[Any]) -> Tensors:
    part = method.trainable.visual_adapter
    return {"adapter.fc.0.weight": part.down, "adapter.fc.2.weight": part.up}


def visual(method: TrainableMethod[Any]) -> Tensors:
    return _visual("image_encoder", list(method.trainable.visual_prompts.layers))


def visual_text_and_adapter(method: TrainableMethod[Any]) -> Tensors:
    part = method.trainable.text_adapter
    ours = {"VPT_adapter_text_matrix": part.matrix, "VPT_adapter_text_bias": part.bias}
    return ours | {"prompt_learner.ctx": method.trainable.text_context.ctx} | dict(visual(method))


def reference(method: Any) -> Tensors:
    return _visual("clip_model_temp.visual", method.reference_prompts)


def both_prompts(method: TrainableMethod[Any]) -> Tensors:
    text = method.trainable.text_context
    deeper = {f"text_encoder.transformer.resblocks.{i}.VPT_shallow": p for i, p in enumerate(text.deeper, start=1)}
    return {"prompt_learner.ctx": text.ctx} | deeper | dict(visual(method))


def coupled_prompts(method: TrainableMethod[Any]) -> Tensors:
    text, (first, *deeper) = method.trainable.text_context, method.trainable.coupling.maps
    layers = {"proj": first} | {f"compound_prompt_projections.{i}": layer for i, layer in enumerate(deeper)}
    ours = {"ctx": text.ctx} | {f"compound_prompts_text.{i}": p for i, p in enumerate(text.deeper)}
    ours |= {f"{name}.{key}": p for name, layer in layers.items() for key, p in layer.named_parameters()}
    return {f"prompt_learner.{name}": p for name, p in ours.items()}


def context_and_network(method: TrainableMethod[Any]) -> Tensors:
    layers = {"linear1": method.trainable.meta[0], "linear2": method.trainable.meta[2]}
    network = {f"{name}.{key}": p for name, layer in layers.items() for key, p in layer.named_parameters()}
    return {f"prompt_learner.meta_net.{name}": p for name, p in network.items()} | dict(context(method))


def keys(method: Any) -> Tensors:
    return {"keys": method.trainable.keys}


def residuals(method: TrainableMethod[Any]) -> Tensors:
    return {"prompt_learner.text_feature_residuals": method.trainable.vectors}


def prototypes(method: TrainableMethod[Any]) -> Tensors:
    return {"adapter.prototypes": method.trainable.vectors}


def probe(method: TrainableMethod[Any]) -> Tensors:
    return dict(method.trainable.named_parameters())


def low_rank(method: TrainableMethod[Any]) -> Tensors:
    towers = {"transformer": method.trainable.text, "visual.transformer": method.trainable.image}
    return {
        f"{tower}.resblocks.{i}.attn.{letter}_proj.w_lora_{factor}": tensor
        for tower, changes in towers.items()
        for i, block in enumerate(changes.blocks)
        for letter, change in block.items()
        for factor, tensor in (("A", change.down), ("B", change.up))
    }


def _visual(tower: str, layers: list[Tensor]) -> Tensors:
    names = [f"{tower}.VPT", *(f"{tower}.transformer.resblocks.{i}.VPT_shallow" for i in range(1, len(layers)))]
    return dict(zip(names, layers, strict=True))


@dataclass(frozen=True)
class Comparison:
    """One row of the table.

    Args:
        repo: the folder whose `train.py` runs, in the checkout of its first part; `also`: folders that it imports from.
        trainer: its name in Dassl's registry, or a name in `RUNNERS` of `official_side.py`.
        config_file: the official settings; `opts` are changes to them, besides those of all comparisons.
        settings: of our method.
        tensors: our trained tensors by their official names.
        module: of the trainer, if `train.py` does not import it; `patch`: what it needs of `official_patches`.
        backbone: whose weights both sides get.
        seeds: those that the official code can have; empty: all.
        same_validation: whether the official code draws validation images in CoOp's way.
        computed: official names of tensors that start at computed values, not at random; ours must be equal.
        classes: `all`, or `base` for a training on the base classes that is also tested on the new ones.
    """

    name: str
    method: str
    repo: str
    trainer: str
    tensors: Named
    config_file: str = ""
    opts: tuple[object, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    also: tuple[str, ...] = ("Dassl",)
    module: str = ""
    patch: str = ""
    classes: str = "all"
    seeds: tuple[int, ...] = ()
    same_validation: bool = True
    computed: tuple[str, ...] = ()
    backbone: str = "ViT-demo.drawn"

    @property
    def needs(self) -> tuple[str, ...]:
        """The checkouts that it needs."""
        return tuple(dict.fromkeys(path.partition("/")[0] for path in (self.repo, *self.also)))

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that the official code imports and this project does not need."""
        if self.repo == "LP++":
            return ("pandas", "scipy", "sklearn")
        return ("yacs", "sklearn") if any("Dassl" in path for path in self.also) else ()


COOP = "configs/trainers/CoOp/vit_b16.yaml"
COCOOP = "configs/trainers/CoCoOp/vit_b16_c4_ep10_batch1_ctxv1.yaml"
MAPLE = "configs/trainers/MaPLe/vit_b16_c2_ep5_batch4_2ctx.yaml"
VPT = "configs/trainers/VPT/vit_b16_c2_ep5_batch4_4.yaml"
IVLP = "configs/trainers/IVLP/vit_b16_c2_ep5_batch4_2+2ctx.yaml"
APEX = "configs/trainers/APEX/vit_b16_c2_ep15_batch16_2+2ctx.yaml"
PROMPTSRC = "configs/trainers/PromptSRC/vit_b16_c2_ep50_batch4_4+4ctx_few_shot.yaml"
KGCOOP = "configs/trainers/KgCoOp/vit_b16_ep100_ctxv1.yaml"
PROGRAD = "configs/trainers/ProGrad/rn50_ep100.yaml"
CLAP = "configs/trainers/SGD_lr1e-1_B256_ep300.yaml"
TASKRES = "configs/trainers/TaskRes/adam_lr2e-3_B256_ep200.yaml"

COMPARISONS = (
    Comparison("CoOp, 16 vectors", "coop", "CoOp", "CoOp", context, COOP, ("TRAINER.COOP.PREC", "fp32")),
    Comparison(
        "CoOp, `a photo of a`", "coop", "CoOp", "CoOp", context, COOP,
        ("TRAINER.COOP.PREC", "fp32", "TRAINER.COOP.CTX_INIT", "a photo of a"), {"ctx_init": "a photo of a"},
    ),
    Comparison(
        "CoOp, class-specific, middle", "coop", "CoOp", "CoOp", context, COOP,
        ("TRAINER.COOP.PREC", "fp32", "TRAINER.COOP.CSC", True, "TRAINER.COOP.CLASS_TOKEN_POSITION", "middle"),
        {"class_specific": True, "class_position": "middle"},
    ),
    Comparison(
        "CoCoOp", "cocoop", "CoOp", "CoCoOp", context_and_network, COCOOP, ("TRAINER.COCOOP.PREC", "fp32")
    ),
    Comparison(
        "CLIP-Adapter", "clip_adapter", "CLIP-Adapter", "CLIP_Adapter", adapter, COOP,
        also=("CoOp", "Dassl"), module="clip_adapter", patch="clip_adapter_sizes",
    ),
    Comparison(
        "CLIP-Adapter, rate 0.5", "clip_adapter", "CLIP-Adapter", "CLIP_Adapter", adapter, COOP, ("OPTIM.LR", 0.5),
        also=("CoOp", "Dassl"), module="clip_adapter", patch="clip_adapter_sizes",
    ),
    Comparison(
        "Tip-Adapter-F", "tip_adapter_f", "Tip-Adapter", "Tip-Adapter-F", keys, also=(),
        settings={"alpha": 2.0, "beta": 1.0, "selection": "fixed", "augment_epochs": 1, "logit_scale": 100.0},
        seeds=(1,), same_validation=False, computed=("keys",),
    ),
    Comparison("VPT", "vpt", "MaPLe", "VPT", visual, VPT, ("TRAINER.VPT.PREC", "fp32")),
    Comparison(
        "MaPLe", "maple", "MaPLe", "MaPLe", coupled_prompts, MAPLE,
        ("TRAINER.MAPLE.PREC", "fp32", "TRAINER.MAPLE.PROMPT_DEPTH", 3), {"depth": 3}, patch="maple_sizes",
    ),
    Comparison(
        "IVLP", "ivlp", "MaPLe", "IVLP", both_prompts, IVLP,
        ("TRAINER.IVLP.PREC", "fp32"), {"text_depth": 0, "visual_depth": 0},
    ),
    Comparison("APEX", "apex", "APEX", "APEX", visual_text_and_adapter, APEX,
        ("TRAINER.APEX.PREC", "fp32"), {"reference_visual": "random_prompts"}, patch="apex_sizes",
    ),
    Comparison("APEX, base to new", "apex", "APEX", "APEX", visual_text_and_adapter, APEX,
        ("TRAINER.APEX.PREC", "fp32"), {"reference_visual": "random_prompts"}, patch="apex_sizes", classes="base",
        backbone="ViT-demo.random",  # to the demo CLIP all names of EuroSAT are similar, so its ensemble is not active
    ),
    Comparison(
        "PromptSRC", "promptsrc", "PromptSRC", "PromptSRC", both_prompts, PROMPTSRC,
        ("TRAINER.PROMPTSRC.PREC", "fp32", "TRAINER.PROMPTSRC.GPA_MEAN", 25, "TRAINER.PROMPTSRC.GPA_STD", 5),
        {"average_mean": 25.0, "average_std": 5.0},
    ),
    Comparison(
        "KgCoOp", "kgcoop", "KgCoOp/KgCoOp", "KgCoOp", context, KGCOOP,
        ("TRAINER.COOP.PREC", "fp32", "TRAINER.COOP.W", 8.0), also=("KgCoOp/Dassl.ProGrad.pytorch",),
    ),
    Comparison(
        "ProGrad", "prograd", "ProGrad/ProGrad.public", "ProGrad", context, PROGRAD,
        ("TRAINER.COOP.PREC", "fp32"), also=("ProGrad/Dassl.ProGrad.pytorch",),
    ),
    Comparison(
        "ProGrad, random start", "prograd", "ProGrad/ProGrad.public", "ProGrad", context, PROGRAD,
        ("TRAINER.COOP.PREC", "fp32", "TRAINER.COOP.CTX_INIT", False), {"worded_init": False},
        also=("ProGrad/Dassl.ProGrad.pytorch",),
    ),
    Comparison(
        "TaskRes", "task_res", "TaskRes", "TaskRes", residuals, TASKRES,
        ("TRAINER.TaskRes.PREC", "fp32", "TRAINER.TaskRes.RESIDUAL_SCALE", 0.5),
        computed=("prompt_learner.text_feature_residuals",),
    ),
    Comparison(
        "CLIP-LoRA", "clip_lora", "CLIP-LoRA", "CLIP-LoRA", low_rank, also=(), same_validation=False,
        settings={"dropout": 0.0, "logit_scale": 100.0},
    ),
    Comparison(
        "LP++", "lp_plus_plus", "LP++", "LP++", probe, also=(), settings={"selection": "last"},
        seeds=(1,), same_validation=False, computed=("weight", "alpha"),
    ),
    Comparison(
        "ZS-LP", "zs_lp", "CLAP", "ADAPTER", prototypes, CLAP,
        ("TRAINER.ADAPTER.PREC", "fp32", "TRAINER.ADAPTER.CONSTRAINT", "none", "MODEL.BACKBONE.NAME", "ViT-B/16"),
        patch="clap_pool", computed=("adapter.prototypes",),
    ),
    Comparison(
        "CLAP", "clap", "CLAP", "ADAPTER", prototypes, CLAP,
        ("TRAINER.ADAPTER.PREC", "fp32", "TRAINER.ADAPTER.CONSTRAINT", "l2", "MODEL.BACKBONE.NAME", "ViT-B/16"),
        patch="clap_pool", computed=("adapter.prototypes",),
    ),
)  # fmt: skip
