"""Every change made to official code while it runs: replacements by name, none of it written to the checkouts.

The groups are the rows of the table "What is replaced" in docs/parity.md. No line of official code is in this file.
"""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any, NamedTuple

import torch
import torchvision.transforms
from torch import nn


class Sizes(NamedTuple):
    """Sizes of the CLIP in use, which some official files have as literals."""

    image: int
    embed: int
    text_width: int
    vision_width: int


def _replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    setattr(owner, name, make(getattr(owner, name)))


def after(owner: Any, name: str, then: Callable[..., None]) -> None:
    """Let `owner.name` be followed by `then(result, *args)`."""
    _replace(owner, name, lambda function: _after(function, then))


def _after(function: Callable[..., Any], then: Callable[..., None]) -> Callable[..., Any]:
    """`function`, followed by `then(result, *args)`."""

    @wraps(function)
    def both(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        then(result, *args)
        return result

    return both


class _Unused:
    """Takes any arguments and any call, and does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


def unused_packages() -> None:
    """Packages that only download, log, print, or serve other datasets and APEX's CoCa tower."""
    stand_ins: dict[str, dict[str, Any]] = {
        "gdown": {"download": _Unused},
        "tabulate": {"tabulate": lambda *args, **kwargs: ""},
        "wilds": {"get_dataset": _Unused},
        "torch.utils.tensorboard": {"SummaryWriter": _Unused},
        "clip_coca": {"clip": None},
        "matplotlib": {},
        "matplotlib.pyplot": {},
        "clip_coca.coca_model": {"CoCa": _Unused},
    }
    for name, content in stand_ins.items():
        stand_in = ModuleType(name)
        vars(stand_in).update(content)
        sys.modules[name] = stand_in


def on_the_cpu_in_fp32() -> None:
    """`.cuda()` and `.to("cuda")` do nothing, and `.half()` gives fp32."""

    def stays(moved: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(moved)
        def to(self: Any, *args: Any, **kwargs: Any) -> Any:
            return self if args and str(args[0]).startswith("cuda") else moved(self, *args, **kwargs)

        return to

    for owner in (torch.Tensor, nn.Module):
        _replace(owner, "cuda", lambda _: lambda self, *args, **kwargs: self)
        _replace(owner, "to", stays)
    torch.Tensor.half = torch.Tensor.float  # type: ignore[method-assign]


def newer_torch() -> None:
    """Calls that torch has changed since: a positional `verbose`, unpickling in `torch.load`, loader processes."""
    schedulers, data = torch.optim.lr_scheduler, torch.utils.data

    def without_verbose(self: Any, optimizer: Any, last_epoch: int = -1, verbose: object = None) -> None:
        schedulers.LRScheduler.__init__(self, optimizer, last_epoch)

    schedulers._LRScheduler.__init__ = without_verbose  # type: ignore[assignment]
    _replace(torch, "load", lambda load: lambda *args, **kwargs: load(*args, **{"weights_only": False, **kwargs}))
    _replace(data, "DataLoader", lambda made: lambda *args, **kwargs: made(*args, **{**kwargs, "num_workers": 0}))


def clip_from_file(weights: str) -> None:
    """The download of CLIP's weights gives our file instead."""
    for name in ("clip", "clip.clip"):
        module = importlib.import_module(name)
        if hasattr(module, "_download"):
            module._download = lambda *args, **kwargs: weights


def adadelta() -> None:
    """Dassl's optimiser factory knows `adadelta`, the addition that APEX's instructions demand."""
    import dassl.optim

    def with_adadelta(build: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(build)
        def build_optimizer(model: nn.Module, settings: Any, *args: Any) -> Any:
            if settings.NAME != "adadelta":
                return build(model, settings, *args)
            return torch.optim.Adadelta(model.parameters(), lr=settings.LR, weight_decay=settings.WEIGHT_DECAY)

        return build_optimizer

    _replace(dassl.optim, "build_optimizer", with_adadelta)


def apex_sizes(sizes: Sizes) -> None:
    """APEX's adapter, which is written for 512 features, again at our size: the identity and a zero bias."""
    import trainers.apex as module

    def resized(_: None, model: Any, *args: Any) -> None:
        model.VPT_adapter_text_matrix = nn.Parameter(torch.eye(sizes.embed))
        model.VPT_adapter_text_bias = nn.Parameter(torch.zeros(1, sizes.embed))

    _replace(module.CustomCLIP, "__init__", lambda init: _after(init, resized))


def maple_sizes(sizes: Sizes) -> None:
    """MaPLe's prompts and maps, which are written for widths 512 and 768, again at ours."""
    import trainers.maple as module

    def resized(_: None, learner: Any, *args: Any) -> None:
        deeper = len(learner.compound_prompts_text)
        prompts = [nn.Parameter(0.02 * torch.randn(learner.n_ctx, sizes.text_width)) for _ in range(deeper)]
        learner.proj = nn.Linear(sizes.text_width, sizes.vision_width)
        learner.compound_prompts_text = nn.ParameterList(prompts)
        copied = nn.Linear(sizes.text_width, sizes.vision_width)
        learner.compound_prompt_projections = module._get_clones(copied, deeper)

    _replace(module.MultiModalPromptLearner, "__init__", lambda init: _after(init, resized))


def clip_adapter_sizes(sizes: Sizes) -> None:
    """CLIP-Adapter's network, which is written for 1024 features, at our size."""
    import clip_adapter as module

    _replace(module.Adapter, "__init__", lambda init: lambda self, _, reduction: init(self, sizes.embed, reduction))


def clap_pool(_: Sizes) -> None:
    """CLAP's pool, of which a batch is drawn, has one pass over the images, not 20, so a batch has each image once."""
    import trainers.adapters as module

    _replace(
        module.AdapterMethod, "__init__", lambda i: _after(i, lambda _, a, *args: setattr(a, "epochs_aumentation", 1))
    )


def without_augmentation(sizes: Sizes) -> None:
    """torchvision's random crop becomes a resize, its flip nothing. Dassl has options for both."""
    transforms = torchvision.transforms

    def resize(**settings: Any) -> Any:
        return transforms.Resize(sizes.image, interpolation=settings["interpolation"])

    transforms.RandomResizedCrop = resize
    transforms.RandomHorizontalFlip = lambda p: nn.Identity()


def accuracy(tested: list[torch.Tensor]) -> Callable[..., float]:
    """`cls_acc` of Tip-Adapter and CLIP-LoRA, whose line fails with numpy 2.4; keeps the outputs in `tested`."""

    def cls_acc(output: torch.Tensor, target: torch.Tensor, topk: int = 1) -> float:
        tested.append(output.detach().clone())
        # the small term lets Tip-Adapter keep an epoch whose accuracy is 0
        return 100 * float((output.argmax(dim=1) == target).float().mean()) + 1e-6

    return cls_acc


def one_hot_in_fp32() -> None:
    """LP++'s one-hot labels, which are fp16, in fp32."""
    import methods.utils as module

    _replace(module, "get_one_hot", lambda made: lambda *args, **kwargs: made(*args, **kwargs).float())


def draw_from_the_seed(seed: int) -> None:
    """Each of CLIP-LoRA's draws starts from the seed. It draws validation images first, others training images."""
    import datasets.utils as module

    def make(drawn: Callable[..., Any]) -> Callable[..., Any]:
        def generate_fewshot_dataset(*args: Any, **kwargs: Any) -> Any:
            random.seed(seed)
            return drawn(*args, **kwargs)

        return generate_fewshot_dataset

    _replace(module.DatasetBase, "generate_fewshot_dataset", make)
