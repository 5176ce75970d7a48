"""The comparisons: which official trainer with which settings stands beside which of our methods."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from methods import TrainableMethod

COMMITS = {
    "CoOp": "ff61507",
    "Dassl.pytorch": "c61a1b5",
    "APEX": "9f7f4b4",
    "multimodal-prompt-learning": "69bce21",
    "CLIP-Adapter": "08d07f8",
    "Tip-Adapter": "d0e2d6f",
    "PromptSRC": "bb95c77",
    "KgCoOp": "c43ccc3",
    "Prompt-align": "1b76203",
    "TaskRes": "5195359",
    "CLIP-LoRA": "358f0d7",
    "FewShot-CLIP-Strong-Baseline": "f81054f",
    "APE": "70460de",
    "ICLR24": "560fe21",
    "CLAP": "dbdf409",
    "VLM-MultiModalAdapter": "c3d0bc2",
    "MMRL": "27d8821",
    "Textual-based_Class-aware_prompt_tuning": "bd97bec",
    "CLIPFit": "4dde049",
    "DePT": "d4ff416",
    "TCPT": "729232f",
    "ATPrompt": "86980a1",
    "rethinking_fewshot_vlms": "64ac143",
    "ProLIP": "b43e795",
    "DeKg": "b8f2f1c",
    "SkipTuning": "8c4636e",
    "NLPrompt": "b36bc8e",
    "LDC": "b4273e6",
    "PromptKD": "ec244f7",
    "DPC": "01e6b59",
}
"""The clones that are needed, by the folders that `git clone` makes, and the commits that they were compared at."""
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


def apex(method: Any) -> Tensors:
    """Also its reference prompts: the official code does not train them, but counts them among the trained tensors."""
    return dict(visual_text_and_adapter(method)) | _visual("clip_model_temp.visual", method.reference_prompts)


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


def _named(prefix: str, layer: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}.{key}": parameter for key, parameter in layer.named_parameters()}


def modality_adapters(method: Any) -> Tensors:
    part, first = method.trainable, method.first_image + 1
    found: dict[str, Tensor] = {}
    for i in range(len(part.shared)):
        for tower, down, up in (("text", part.text_down, part.text_up), ("visual", part.image_down, part.image_up)):
            found |= _named(f"adapter_learner.{tower}_adapter.{first + i}.down.0", down[i])
            found |= _named(f"adapter_learner.{tower}_adapter.{first + i}.up", up[i])
        found |= _named(f"adapter_learner.shared_adapter.{first + i}.0", part.shared[i])
    return found


def representations(method: Any) -> Tensors:
    part, prefix = method.trainable, "representation_learner.compound_rep_tokens"
    found: dict[str, Tensor] = {prefix: part.tokens, "image_encoder.proj_rep": part.projection}
    for i in range(len(part.to_image)):
        found |= _named(f"{prefix}_r2vproj.{i}", part.to_image[i]) | _named(f"{prefix}_r2tproj.{i}", part.to_text[i])
    return found


def shared_representations(method: Any) -> Tensors:
    part, prefix = method.trainable, "representation_learner"
    found: dict[str, Tensor] = {f"{prefix}.compound_rep_tokens": part.tokens}
    found |= {"image_encoder.A": part.projection_up, "image_encoder.B": part.projection_down}
    for name, maps in ((f"{prefix}.srra_r2vproj", part.to_image), (f"{prefix}.srra_r2tproj", part.to_text)):
        found[f"{name}.weight"] = maps.weight
        for i in range(len(maps.biases)):
            ours = {"A": maps.up[i], "B": maps.down[i], "bias": maps.biases[i]}
            found |= {f"{name}.srra.{i}.{key}": value for key, value in ours.items()}
    return found


def class_aware(method: Any) -> Tensors:
    part, prefix = method.trainable, "prompt_learner.meta_net"
    layers = _named(f"{prefix}.linear1", part.down) | _named(f"{prefix}.linear2", part.up)
    return {"prompt_learner.ctx": part.ctx} | layers


def fitted(method: Any) -> Tensors:
    part, prefix = method.trainable, "prompt_learner"
    biases = enumerate(part.text.biases)
    found: dict[str, Tensor] = {
        f"{prefix}.text_encoder.transformer.resblocks.{i}.mlp.c_proj.bias": one for i, one in biases
    }
    for i, (attention, mlp) in enumerate(zip(part.image.attention, part.image.mlp, strict=True)):
        block = f"{prefix}.image_encoder.transformer.resblocks.{i}"
        found |= _named(f"{block}.ln_1", attention) | _named(f"{block}.ln_2", mlp)
    before, after = part.image.outer
    return found | _named(f"{prefix}.image_encoder.ln_pre", before) | _named(f"{prefix}.image_encoder.ln_post", after)


def context_and_head(method: Any) -> Tensors:
    head = method.head
    tensors = {"img.scale": head.image_scale, "img.bias": head.image_shift}
    tensors |= {"text.scale": head.text_scale, "text.bias": head.text_shift}
    found = {f"film_lp_{name}": tensor for name, tensor in tensors.items()}
    return found | {"prompt_learner.ctx": method.trainable.ctx} | _named("linear_probe_proj", head.rows)


def last_blocks(method: Any) -> Tensors:
    found: dict[str, Tensor] = {}
    for tower, norm, projection, first in (
        ("image", "ln_post", "proj", method.first), ("text", "ln_final", "text_projection", method.first_text)
    ):  # fmt: skip
        end: Any = method.trainable[tower]
        prefix = "image_encoder" if tower == "image" else "learnable_params.text_encoder"
        for i, block in enumerate(end.blocks, start=first):
            found |= _named(f"{prefix}.transformer.resblocks.{i}", block)
        found |= _named(f"{prefix}.{norm}", end.norm) | {f"{prefix}.{projection}": end.projection}
    return found


def student(method: Any) -> Tensors:
    part, found = method.trainable.visual_adapter, dict(visual(method))
    for number, layer in ((0, part.first), (1, part.norm), (3, part.second)):
        found |= _named(f"VPT_image_trans.conv1.{number}", layer)
    return found


def deconfusion(method: Any) -> Tensors:
    names = {
        "mlp": "visual.adapter.adapter_mlp", "from_logits": "adapter.adapter_1", "from_image": "adapter.adapter_2",
        "correction": "adapter.adapter_3", "gate": "adapter.g_weight",
    }  # fmt: skip
    found = {}
    for name, tensor in method.trainable.named_parameters():
        part, _, rest = name.partition(".")
        if part == "levels":
            level, _, rest = rest.partition(".")
            found[f"visual.adapter.adapter_{int(level) + 1}.{rest}"] = tensor
        else:
            found[f"{names[part]}.{rest}"] = tensor
    return found


def drawn_ranks(method: Any, official: Mapping[str, Any]) -> None:
    """The ranks of Skip Tuning whose classes stay in the loss."""
    method.kept_ranks = frozenset(official["kept/model.reserve_mask"].nonzero()[0].tolist())


def drawn_negatives(method: Any, official: Mapping[str, Any]) -> None:
    """The images of the negatives of DPC's second stage; ours must rank the same classes."""
    steps, images = iter(json.loads(str(official["kept/negatives"]))), iter(())

    def negatives(own: list[int], order: list[list[int]]) -> list[int]:
        nonlocal images
        chosen = next(steps)
        labels = method.support.labels[chosen].tolist()
        first = [c for c in order[0] if c != own[0] and c not in own]
        if labels[: len(first)] != first:
            raise ValueError(f"The hard negatives of the first image are {first} here and {labels} there.")
        images = iter(chosen)
        return labels

    def drawn(n: int) -> int:
        image = next(images)
        place: int = method.places[int(method.support.labels[image])].index(image)
        return place

    method.negatives, method.drawn = negatives, drawn


def with_attributes(named: Named) -> Named:
    """A host's tensors and the contexts of its attributes."""

    def tensors(method: Any) -> Tensors:
        part = getattr(method.trainable, "text_context", method.trainable)
        contexts = enumerate(part.lead.contexts, start=1)
        return dict(named(method)) | {f"prompt_learner.ctx_att{i}": context for i, context in contexts}

    return tensors


@dataclass(frozen=True)
class Comparison:
    """One row of the table.

    Args:
        repo: the clone, in which the training command runs; `also`: clones that it imports from.
        trainer: its name in Dassl's registry; empty for an adapter.
        adapter: name of a file in `adapters`, for code that is not built on Dassl.
        config_file: the official settings; `opts` are changes to them, besides those of all comparisons.
        settings: of our method.
        tensors: our trained tensors by their official names; None if all start at computed values on both sides, or
            nothing is trained.
        backbone: whose weights both sides get: a name, or one of `CLIPS` in `tuned_clips.py`.
        passes: how often the official code has each image in its batch.
        computed: official names of tensors that start at computed values, not at random; ours must be equal.
        unused: beginnings of official names of tensors that no loss depends on.
        loss: name of the loss that is compared; `first` is the first one that a step returns; empty for none.
        lr: rate that an adapter trains with.
        order: attribute of the official trainer with the images of each step of an epoch, if it draws its own batches;
            `impath`: batches of Dassl have their images. Empty: one batch has all images.
        kept: attributes of the official trainer that are recorded after its training.
        given: lets our method have what the official code drew besides, from the recordings.
        teacher: which of `CLIPS` is tuned as the teacher.
        own_draw: whether the official code can draw its own images; False if its path to them is written in it.
        classes: `all`, or `base` for a training on the base classes that is also tested on the new ones.
    """

    name: str
    method: str
    repo: str
    trainer: str
    tensors: Named | None
    config_file: str = ""
    opts: tuple[object, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    also: tuple[str, ...] = ("Dassl.pytorch",)
    adapter: str = ""
    order: str = ""
    kept: tuple[str, ...] = ()
    given: Callable[[Any, Mapping[str, Any]], None] = lambda *_: None
    teacher: str = ""
    own_draw: bool = True
    classes: str = "all"
    passes: int = 1
    computed: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    loss: str = "loss"
    lr: float = 0.0
    backbone: str = "ViT-demo.drawn"

    @property
    def needs(self) -> tuple[str, ...]:
        """The clones that it needs."""
        return (self.repo, *self.also)

    @property
    def trains(self) -> bool:
        """Whether it has training steps."""
        return self.tensors is not None or self.lr > 0

    @property
    def protocol(self) -> str:
        return "base-to-new" if self.classes == "base" else "few-shot"

    @property
    def draws(self) -> bool:
        """Whether the official code draws its images in CoOp's way, so that its draw is compared."""
        return self.own_draw and (not self.adapter or self.adapter == "clip_adapter")


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
MMA = "configs/trainers/MultiModalAdapter/vit_b16_ep5.yaml"
TCP = "configs/trainers/TCP/vit_b16_ep100_ctxv1.yaml"
DEKG = "configs/trainers/DeKg/vit_b16_ep100_ctxv1.yaml"
CLIPFIT = "configs/trainers/ClipFit/vit_b16_ep50.yaml"
DEPT_COOP = "configs/trainers/ExtrasLinearProbeCoOp/vit_b16_ep10_bs4_lr35.yaml"
DEPT_KGCOOP = "configs/trainers/ExtrasLinearProbeKgCoOp/vit_b16_ep10_ctxv1_bs4_lr35.yaml"
DEPT_ATPROMPT = "configs/trainers/DePT/vit_b16_ep10_bs4_lr35.yaml"
SKIP_TUNING = "configs/trainers/SkipTuning/vit_b16_bs4.yaml"
TCPT_COOP = "configs/trainers/CoOp/vit_b16_ep50.yaml"

MAPLE_REPO = "multimodal-prompt-learning"
TCP_REPO = "Textual-based_Class-aware_prompt_tuning"
FP32_COOP = ("TRAINER.COOP.PREC", "fp32")
VIT_B16 = ("MODEL.BACKBONE.NAME", "ViT-B/16")
EPS = {"recipe.eps": 1e-8}

DPC = (*FP32_COOP, "DATALOADER.TRAIN_X.BATCH_SIZE", 8)


def _mmrl(node: str, task: str) -> tuple[object, ...]:
    """Settings of MMRL and MMRL++ for a CLIP of three blocks."""
    values = {"PREC": "fp32", "REP_LAYERS": [2, 3], "REP_DIM": 32, "REG_WEIGHT": 0.5}
    words = [word for name, value in values.items() for word in (f"TRAINER.{node}.{name}", value)]
    return ("TASK", task, *words)


def _atprompt(node: str, n_ctx: int) -> tuple[object, ...]:
    """Settings of ATPrompt, with as many vectors before an attribute as before the class."""
    counts = [word for i in (1, 2, 3) for word in (f"TRAINER.ATPROMPT.N_ATT{i}", n_ctx)]
    own = (f"TRAINER.{node}.PREC", "fp32", f"TRAINER.{node}.N_CTX", n_ctx)
    return ("TRAINER.ATPROMPT.USE_ATPROMPT", True, *counts, *own)


MMRL_SETTINGS = {"dim": 32, "weight": 0.5, "blocks": 2, **EPS}
EUROSAT_ATTRIBUTES = {"attributes": "habitat"}
ONE_ATTRIBUTE = ("prompt_learner.ctx_att2", "prompt_learner.ctx_att3")
"""Contexts that the official ATPrompt has and does not use, since EuroSAT has one attribute."""
DEPT_UNUSED = ("prompt_learner.bias_vectors", "prompt_learner.meta_net.linear1")

COMPARISONS = (
    Comparison("CoOp, 16 vectors", "coop", "CoOp", "CoOp", context, COOP, FP32_COOP),
    Comparison(
        "CoOp, `a photo of a`", "coop", "CoOp", "CoOp", context, COOP,
        (*FP32_COOP, "TRAINER.COOP.CTX_INIT", "a photo of a"), {"ctx_init": "a photo of a"},
    ),
    Comparison(
        "CoOp, class-specific, middle", "coop", "CoOp", "CoOp", context, COOP,
        (*FP32_COOP, "TRAINER.COOP.CSC", True, "TRAINER.COOP.CLASS_TOKEN_POSITION", "middle"),
        {"class_specific": True, "class_position": "middle"},
    ),
    Comparison(
        "CoCoOp", "cocoop", "CoOp", "CoCoOp", context_and_network, COCOOP, ("TRAINER.COCOOP.PREC", "fp32")
    ),
    Comparison(
        "CLIP-Adapter", "clip_adapter", "CLIP-Adapter", "", adapter, adapter="clip_adapter",
        also=("CoOp", "Dassl.pytorch"), backbone="wide",
    ),
    Comparison(
        "CLIP-Adapter, rate 0.5", "clip_adapter", "CLIP-Adapter", "", adapter, opts=("OPTIM.LR", 0.5),
        adapter="clip_adapter", also=("CoOp", "Dassl.pytorch"), backbone="wide",
    ),
    Comparison(
        "Tip-Adapter-F", "tip_adapter_f", "Tip-Adapter", "", keys, adapter="tip_adapter_f", also=(),
        settings={"alpha": 2.0, "beta": 1.0, "selection": "fixed", "augment_epochs": 1, "logit_scale": 100.0},
        computed=("keys",),
    ),
    Comparison(
        "Tip-Adapter", "tip_adapter", "Tip-Adapter", "", None, adapter="tip_adapter", also=(), loss="",
        settings={"search_scale": (12.0, 10.0), "search_step": (10, 5), "augment_epochs": 1, "logit_scale": 100.0},
    ),
    Comparison(
        "APE", "ape", "APE", "", None, adapter="ape", also=(), loss="",
        settings={"search_step": (10, 5, 3), "augment_epochs": 1, "logit_scale": 100.0},
    ),
    Comparison(
        "GDA", "gda", "ICLR24", "", None, adapter="gda", also=(), loss="",
        settings={"views": 1, "logit_scale": 100.0},
    ),
    Comparison("VPT", "vpt", MAPLE_REPO, "VPT", visual, VPT, ("TRAINER.VPT.PREC", "fp32")),
    Comparison(
        "MaPLe", "maple", MAPLE_REPO, "MaPLe", coupled_prompts, MAPLE,
        ("TRAINER.MAPLE.PREC", "fp32", "TRAINER.MAPLE.PROMPT_DEPTH", 3), {"depth": 3}, backbone="published widths",
    ),
    Comparison(
        "IVLP", "ivlp", MAPLE_REPO, "IVLP", both_prompts, IVLP, ("TRAINER.IVLP.PREC", "fp32"),
        {"text_depth": 0, "visual_depth": 0},
    ),
    Comparison(
        "APEX", "apex", "APEX", "APEX", apex, APEX, ("TRAINER.APEX.PREC", "fp32"),
        {"reference_visual": "random_prompts"}, backbone="published widths",
    ),
    Comparison(
        "APEX, base to new", "apex", "APEX", "APEX", apex, APEX, ("TRAINER.APEX.PREC", "fp32"),
        {"reference_visual": "random_prompts"}, classes="base", backbone="published widths",
    ),
    Comparison(
        "PromptSRC", "promptsrc", "PromptSRC", "PromptSRC", both_prompts, PROMPTSRC,
        ("TRAINER.PROMPTSRC.PREC", "fp32", "TRAINER.PROMPTSRC.GPA_MEAN", 25, "TRAINER.PROMPTSRC.GPA_STD", 5),
        {"average_mean": 25.0, "average_std": 5.0},
    ),
    Comparison(
        "KgCoOp", "kgcoop", "KgCoOp", "KgCoOp", context, KGCOOP, (*FP32_COOP, "TRAINER.COOP.W", 8.0), also=()
    ),
    Comparison(
        "ProGrad", "prograd", "Prompt-align", "ProGrad", context, PROGRAD, (*FP32_COOP, *VIT_B16), also=(),
        loss="xe_loss",
    ),
    Comparison(
        "ProGrad, random start", "prograd", "Prompt-align", "ProGrad", context, PROGRAD,
        (*FP32_COOP, *VIT_B16, "TRAINER.COOP.CTX_INIT", False), {"worded_init": False}, also=(), loss="xe_loss",
    ),
    Comparison(
        "TaskRes", "task_res", "TaskRes", "TaskRes", residuals, TASKRES,
        ("TRAINER.TaskRes.PREC", "fp32", "TRAINER.TaskRes.RESIDUAL_SCALE", 0.5, *VIT_B16),
        computed=("prompt_learner.text_feature_residuals",),
    ),
    Comparison(
        "CLIP-LoRA", "clip_lora", "CLIP-LoRA", "", low_rank, adapter="clip_lora", also=(),
        settings={"dropout": 0.0, "logit_scale": 100.0},
    ),
    Comparison(
        "LP++", "lp_plus_plus", "FewShot-CLIP-Strong-Baseline", "", probe, adapter="lp_plus_plus", also=(),
        settings={"selection": "last"}, computed=("weight", "alpha"),
    ),
    # CLAP's pool has each image twenty times, and a batch is drawn from it. One batch is the whole pool here.
    Comparison(
        "ZS-LP", "zs_lp", "CLAP", "ADAPTER", prototypes, CLAP,
        ("TRAINER.ADAPTER.PREC", "fp32", "TRAINER.ADAPTER.CONSTRAINT", "none", *VIT_B16), passes=20,
        computed=("adapter.prototypes",),
    ),
    Comparison(
        "CLAP", "clap", "CLAP", "ADAPTER", prototypes, CLAP,
        ("TRAINER.ADAPTER.PREC", "fp32", "TRAINER.ADAPTER.CONSTRAINT", "l2", *VIT_B16), passes=20,
        computed=("adapter.prototypes",),
    ),
    Comparison(
        "MMA", "mma", "VLM-MultiModalAdapter", "MultiModalAdapter", modality_adapters, MMA,
        ("TRAINER.MMADAPTER.PREC", "fp32", "TRAINER.MMADAPTER.ADAPTER_START", 2, "TRAINER.MMADAPTER.ADAPTER_END", 3),
        {"blocks": 2}, backbone="tiny",
    ),
    Comparison(
        "MMA, scale 0.1, base to new", "mma", "VLM-MultiModalAdapter", "MultiModalAdapter", modality_adapters, MMA,
        ("TRAINER.MMADAPTER.PREC", "fp32", "TRAINER.MMADAPTER.ADAPTER_START", 2, "TRAINER.MMADAPTER.ADAPTER_END", 3,
         "TRAINER.MMADAPTER.ADAPTER_SCALE", 0.1),
        {"blocks": 2, "scale": 0.1}, backbone="tiny", classes="base",
    ),
    Comparison(
        "MMRL", "mmrl", "MMRL", "MMRL", representations, "configs/trainers/MMRL/vit_b16.yaml", _mmrl("MMRL", "FS"),
        MMRL_SETTINGS, backbone="tiny",
    ),
    Comparison(
        "MMRL, base to new", "mmrl", "MMRL", "MMRL", representations, "configs/trainers/MMRL/vit_b16.yaml",
        _mmrl("MMRL", "B2N"), MMRL_SETTINGS, backbone="tiny", classes="base",
    ),
    Comparison(
        "MMRL++, base to new", "mmrl_pp", "MMRL", "MMRLpp", shared_representations,
        "configs/trainers/MMRLpp/vit_b16.yaml", (*_mmrl("MMRLpp", "B2N"), "TRAINER.MMRLpp.BETA", 0.9),
        MMRL_SETTINGS | {"new_share": 0.9}, backbone="tiny", classes="base",
    ),
    Comparison(
        "TCP, base to new", "tcp", TCP_REPO, "TCP", class_aware, TCP,
        (*FP32_COOP, "TRAINER.COCOOP.PREC", "fp32", "TRAINER.COOP.N_CTX", 4), EPS,
        backbone="published text tower", classes="base",
    ),
    Comparison(
        "DeKg, base to new", "dekg", "DeKg", "DeKg", context, DEKG,
        (*FP32_COOP, "TRAINER.COOP.W", 8.0, "LOSS.WEIGHT", 6.0), backbone="tiny", classes="base",
    ),
    Comparison(
        "CLIPFit, base to new", "clip_fit", "CLIPFit", "ClipFit", fitted, CLIPFIT, FP32_COOP, {"weight": 8.0},
        backbone="tiny", classes="base",
    ),
    Comparison(
        "DePT on CoOp, base to new", "dept_on:coop", "DePT", "ExtrasLinearProbeCoOp", context_and_head, DEPT_COOP,
        FP32_COOP, {"ctx_init": "", "n_ctx": 16}, backbone="tiny", classes="base", unused=DEPT_UNUSED,
    ),
    Comparison(
        "DePT on KgCoOp, base to new", "dept", "DePT", "ExtrasLinearProbeKgCoOp", context_and_head, DEPT_KGCOOP,
        FP32_COOP, {"weight": 2.0}, backbone="tiny", classes="base", unused=DEPT_UNUSED,
    ),
    Comparison(
        "TCPT on CoOp, base to new", "tcpt_on", "TCPT", "CoOp", context, TCPT_COOP, FP32_COOP,
        {"ctx_init": "", "n_ctx": 16}, backbone="tiny", own_draw=False, classes="base",
    ),
    # Its settings file of MaPLe has a quotation mark before the words.
    Comparison(
        "TCPT on MaPLe", "tcpt_on:maple", "TCPT", "MaPLe", coupled_prompts, MAPLE,
        ("TRAINER.MAPLE.PREC", "fp32", "TRAINER.MAPLE.PROMPT_DEPTH", 3, "TRAINER.MAPLE.CTX_INIT", "a photo of a"),
        {"depth": 3}, backbone="published widths", own_draw=False,
    ),
    # Its teacher averages eighty templates, ours the sixty of PromptSRC, so the loss differs.
    Comparison(
        "TCPT on PromptSRC", "tcpt_on:promptsrc", "TCPT", "PromptSRC", both_prompts, PROMPTSRC,
        ("TRAINER.PROMPTSRC.PREC", "fp32", "TRAINER.PROMPTSRC.GPA_MEAN", 25, "TRAINER.PROMPTSRC.GPA_STD", 5),
        {"average_mean": 25.0, "average_std": 5.0}, own_draw=False, loss="",
    ),
    Comparison(
        "ATPrompt on CoOp, base to new", "atprompt_on", "ATPrompt", "CoOp_ATP", with_attributes(context), COOP,
        _atprompt("COOP", 2), EUROSAT_ATTRIBUTES, backbone="tiny", classes="base", unused=ONE_ATTRIBUTE, also=(),
    ),
    Comparison(
        "ATPrompt on CoCoOp, base to new", "atprompt_on:cocoop", "ATPrompt", "CoCoOp_ATP",
        with_attributes(context_and_network), COCOOP, _atprompt("COCOOP", 2), EUROSAT_ATTRIBUTES, backbone="tiny",
        classes="base", unused=ONE_ATTRIBUTE, also=(),
    ),
    Comparison(
        "ATPrompt on MaPLe, base to new", "atprompt_on:maple", "ATPrompt", "MaPLe_ATP",
        with_attributes(coupled_prompts), MAPLE, (*_atprompt("MAPLE", 4), "TRAINER.MAPLE.PROMPT_DEPTH", 3),
        {"depth": 3, **EUROSAT_ATTRIBUTES}, backbone="published widths", classes="base", unused=ONE_ATTRIBUTE, also=(),
    ),
    Comparison(
        "ATPrompt on DePT on CoOp, base to new", "dept_on:atprompt_on", "ATPrompt", "DePT_ATP",
        with_attributes(context_and_head), DEPT_ATPROMPT, _atprompt("COOP", 2),
        {"head_rate": 1.0, **EUROSAT_ATTRIBUTES}, backbone="tiny", classes="base", unused=ONE_ATTRIBUTE, also=(),
    ),
    # Four images of one class are a batch, so a step of this table is an epoch here.
    Comparison(
        "Skip Tuning, base to new", "skip_tuning", "SkipTuning", "SkipTuning", last_blocks, SKIP_TUNING,
        ("TRAINER.PREC", "fp32", "TRAINER.SKIP.START_LAYER", 1, "DATALOADER.TRAIN_X.BATCH_SIZE", 4),
        {"skipped": 1, "recipe.batch_size": 4}, backbone="published widths", classes="base",
        order="feature_loader.batch_idxs_all_epochs", kept=("model.reserve_mask",), given=drawn_ranks,
    ),
    # A batch is larger than all images, so that one step of an epoch has all clean ones, and one all noisy ones.
    Comparison(
        "NLPrompt, base to new", "nlprompt", "NLPrompt", "NLPrompt", context, "configs/trainers/NLPrompt/vit_b16.yaml",
        ("TRAINER.NLPROMPT.PREC", "fp32", "DATASET.num_class", 5, "DATASET.NOISE_RATE", 0.0), backbone="tiny",
        classes="base", passes=2, own_draw=False, also=(), loss="first",
    ),
    Comparison(
        "LDC", "ldc", "LDC", "", deconfusion, adapter="ldc", also=(), backbone="eight blocks",
        settings={"logit_scale": 100.0},
    ),
    Comparison(
        "PromptKD", "promptkd", "PromptKD", "", student, adapter="promptkd", also=(),
        opts=("TRAINER.PROMPTKD.PREC", "fp32", "TRAINER.PROMPTKD.TEMPERATURE", 1.0, "TRAINER.PROMPTKD.KD_WEIGHT",
              1000.0, "TEST.FINAL_MODEL", "last_step", "DATASET.SUBSAMPLE_CLASSES", "all"),
        settings={"visual_depth": 3}, backbone="published widths", teacher="teacher", passes=2,
    ),
    Comparison(
        "DPC on CoOp, share 1, base to new", "dpc_on", "DPC", "", context, adapter="dpc", also=("DePT", "PromptKD"),
        opts=(*DPC, "SPLE.STACK.WEIGHT", 1.0), classes="base", backbone="224 pixels", order="impath",
        settings={"recipe.batch_size": 8, "base_share": 1.0}, given=drawn_negatives,
    ),
    # The official file's copy of the host's context is the trained tensor itself; here ours does the same.
    Comparison(
        "DPC on CoOp, base to new", "dpc_on", "DPC", "", context, adapter="dpc", also=("DePT", "PromptKD"), opts=DPC,
        classes="base", backbone="224 pixels", order="impath", settings={"recipe.batch_size": 8},
        given=drawn_negatives,
    ),
    Comparison(
        "2SFS", "two_stage", "rethinking_fewshot_vlms", "", None, adapter="two_stage", also=(), lr=2e-4
    ),
    Comparison(
        "2SFS, rate 0.01, base to new", "two_stage", "rethinking_fewshot_vlms", "", None, adapter="two_stage", also=(),
        lr=1e-2, backbone="tiny", classes="base",
    ),
    # Of the loss of ProLIP, the cross-entropy alone is recorded.
    Comparison(
        "ProLIP", "prolip", "ProLIP", "", None, adapter="prolip", also=(), loss="", lr=1e-5,
        settings={"logit_scale": 100.0},
    ),
    Comparison(
        "ProLIP, rate 0.01, base to new", "prolip", "ProLIP", "", None, adapter="prolip", also=(), loss="", lr=1e-2,
        settings={"logit_scale": 100.0}, backbone="tiny", classes="base",
    ),
)  # fmt: skip
