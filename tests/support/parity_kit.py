"""Replays the recorded numbers of official implementations: the tiny CLIP, the batches, and one loop for all methods.

`tests/fixtures/parity/` holds tensors that the official code produced (commits in each file's `source`), and none of
that code. A case stores initial parameters, five training steps (losses, gradients, parameters after steps 1
and 5), and logits before and after.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any, get_args

import parity_record
import pytest
import torch
from places import FIXTURES
from rounding import rounding
from safetensors.torch import load_file
from torch import Tensor, nn

from bench.experiment.features.views import to_pixels
from bench.experiment.training_loop import Span, make_optimizer, set_rates, train_step
from bench.extensions.conformance.subject import tiny_teacher
from datasets_registry import ClassSet, EvalProtocol
from methods import Backbone, BackboneSpec, Batch, Method, Needs, Recipe, SupportView, TrainableMethod, get_method
from methods._backbones import loading

FOLDER = FIXTURES / "parity"
ALL_NEEDS = frozenset(get_args(Needs))
INDEX = torch.tensor([0, 3, 5, 8])
"""The training images of a batch; two of each class."""
WIDEST_SUM = 512
"""Numbers in the longest sum of the tiny CLIP: the MLP of its image tower has four times 128 channels."""


@cache
def tiny_backbone() -> Backbone:
    """The tiny random CLIP that the numbers were recorded on."""
    packed = load_file(str(FOLDER / "tiny_clip.safetensors"))
    table = torch.zeros(49408, 64)
    table[packed.pop("token_ids")] = packed.pop("token_rows").float()
    state = {k: v.float() for k, v in packed.items()} | {"token_embedding.weight": table}
    spec = BackboneSpec("ViT-tiny", "random")
    model = loading.build_model(spec.config)
    loading.load_state(model, state, "the tiny CLIP")
    return Backbone(spec, model)


@cache
def resnet_backbone() -> Backbone:
    """The tiny CLIP with a small ResNet in place of its image tower, whose weights are drawn."""
    tiny = tiny_backbone()
    tower = {"layers": [1, 1, 1, 1], "width": 8, "image_size": 32}
    model = loading.build_model(tiny.spec.config | {"vision_cfg": tower}, initialise=False)
    shapes = {name: value.shape for name, value in model.visual.state_dict().items()}
    state = {name: value for name, value in tiny.model.state_dict().items() if not name.startswith("visual.")}
    for name, value in drawn_networks(shapes).items():
        scaled = name.endswith("running_var") or (value.ndim == 1 and name.endswith(".weight"))
        state[f"visual.{name}"] = value + 1 if scaled else value
    loading.load_state(model, {name: state[name] for name in model.state_dict() if name in state}, "the small ResNet")
    return Backbone(tiny.spec, model)


@cache
def facts() -> dict[str, Any]:
    return json.loads((FOLDER / "data.json").read_text())


@cache
def images(part: str) -> Tensor:
    """Normalised images `(20, 3, 32, 32)` of `train` or `test`; image 2c + k is the k-th of class c."""
    data = load_file(str(FOLDER / "data.safetensors"))
    return to_pixels(data[f"{part}_images_uint8"].numpy(), facts()["mean"], facts()["std"])


def class_set(which: str, template: str = "a photo of a {}.") -> ClassSet:
    names = facts()["classnames"]
    return ClassSet(tuple({"base": names[:5], "new": names[5:], "all": names}[which]), template)


class Case:
    """One recorded case of one method."""

    def __init__(self, method: str, name: str) -> None:
        self.config: dict[str, Any] = json.loads((FOLDER / f"{method}.json").read_text())["cases"][name]
        tensors = load_file(str(FOLDER / f"{method}.safetensors"))
        self.tensors = {k[len(name) + 1 :]: v for k, v in tensors.items() if k.startswith(name + "/")}

    def group(self, prefix: str) -> dict[str, Tensor]:
        return {k[len(prefix) + 1 :]: v for k, v in self.tensors.items() if k.startswith(prefix + "/")}

    def tolerance(self, group: str, scale: float = 1.0) -> float:
        """Five times the measured noise of the official code, plus the rounding of one sum.

        The noise comes from changed weights of CLIP. It does not show how tensors round that do not depend on them.
        """
        noise: float = self.config["fp32_noise_floor_max_abs"][group]
        return 5 * noise + rounding(WIDEST_SUM, scale=max(scale, 1.0))

    def assert_close(self, ours: Tensor, key: str, group: str, *, moved: float = 0.0) -> None:
        """Within the tolerance. One element of 500 may differ by `moved`, the learning rates of all steps so far.

        Adam divides a gradient by its own size, so an element whose gradient is rounding alone moves by up to the
        learning rate in each step.
        """
        recorded = self.tensors[key].reshape(ours.shape)
        gaps = (ours.detach() - recorded).abs()
        allowed = self.tolerance(group, float(recorded.abs().max()))
        beyond = gaps[gaps > allowed]
        worst = float(gaps.max())
        lost = worst <= moved and len(beyond) <= gaps.numel() / 500
        assert not len(beyond) or lost, f"{key}: differs by {worst:.2e}, allowed {allowed:.2e}"

    def assert_logits(self, method: Method[Any], ours: Tensor, key: str, group: str) -> None:
        """Like `assert_close`, and compares with the parity record of the method."""
        self.assert_close(ours, key, group)
        parity_record.note(method.info.name, ours, self.tensors[key].reshape(ours.shape))


def case_names(method: str) -> list[str]:
    return list(json.loads((FOLDER / f"{method}.json").read_text())["cases"])


def batch_of(backbone: Backbone, pixels: Tensor, labels: Tensor | None, needs: frozenset[Needs] = ALL_NEEDS) -> Batch:
    def features() -> Tensor:
        with torch.no_grad():
            return backbone.encode_image(pixels)

    def pooled() -> Tensor:
        with torch.no_grad():
            return backbone.encode_image(pixels, project=False)

    def other_view() -> Tensor:
        with torch.no_grad():
            return backbone.encode_image(pixels.flip(-1))

    def hidden(first: int) -> Tensor:
        return backbone.image_hidden(pixels, first)

    def crops(k: int, _: tuple[float, float], __: bool) -> Tensor:
        return torch.stack([features() * (1 + 0.01 * i) + 0.01 * i for i in range(k)])

    return Batch(
        labels,
        features=features,
        pooled=pooled,
        pixels=lambda: pixels,
        hidden=hidden,
        other_view=None if labels is None else other_view,
        test_views=None if labels is not None else crops,
        needs=needs,
    )


def support_view(backbone: Backbone, classes: ClassSet, part: str = "train", *, mirrored: bool = False) -> SupportView:
    """The recorded images as a support set; views are the image; if `mirrored` every second its mirror.

    The unlabelled images are the mirrors of all images. The teacher is `tiny_teacher`.
    """
    n = 2 * len(classes)
    labels = torch.arange(n) // 2
    pixels = images(part)[:n]

    def features(view: int = 0) -> Tensor:
        return batch_of(backbone, pixels.flip(-1) if mirrored and view % 2 else pixels, None).features

    def unlabelled() -> Tensor:
        return batch_of(backbone, pixels.flip(-1), None).features

    return SupportView(
        classes,
        labels,
        2,
        features,
        lambda k, _: torch.stack([features(i) for i in range(k)]),
        unlabelled,
        lambda: tiny_teacher(backbone, classes, backbone.device),
    )


def drawn_networks(shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Values of frozen networks by official name, too many to be stored; recorder and test draw the same."""
    numbers = torch.Generator().manual_seed(0)
    drawn = {name: 0.1 * torch.randn(shape, generator=numbers) for name, shape in sorted(shapes.items())}
    return {name: value + 1 if ".ln_" in name and name.endswith("weight") else value for name, value in drawn.items()}


def tuned_image_tower(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of an image tower by their names in CLIP, each changed by drawn numbers, as a training might."""
    tower = {name: value for name, value in state.items() if name.startswith("visual.")}
    drawn = drawn_networks({name: value.shape for name, value in tower.items()})
    return {name: value + 0.1 * drawn[name] for name, value in tower.items()}


def visual_prompts(method: TrainableMethod[Any]) -> dict[str, nn.Parameter]:
    """The learned image prompts by their names in PromptSRC's code, and in that of methods that follow it."""
    first, *deeper = method.trainable.visual_prompts.layers
    names = {f"image_encoder.transformer.resblocks.{i}.VPT_shallow": p for i, p in enumerate(deeper, start=1)}
    return {"image_encoder.VPT": first} | names


def text_prompts(method: TrainableMethod[Any]) -> dict[str, nn.Parameter]:
    """The learned text prompts by their names there."""
    context = method.trainable.text_context
    names = {f"text_encoder.transformer.resblocks.{i}.VPT_shallow": p for i, p in enumerate(context.deeper, start=1)}
    return {"prompt_learner.ctx": context.ctx} | names


def prompts_of_both_towers(method: TrainableMethod[Any]) -> dict[str, nn.Parameter]:
    return visual_prompts(method) | text_prompts(method)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def made(method: type[Method[Any]], support: SupportView | ClassSet | None = None, **settings: Any) -> Any:
    """A method with these settings, prepared with a support set, by default that of the base classes."""
    found = method(tiny_backbone(), method.info.config(**settings), generator())
    given = class_set("base") if support is None else support
    found.prepare(support_view(tiny_backbone(), given) if isinstance(given, ClassSet) else given)
    return found


def prepared(method: Any, classes: ClassSet | None = None, by: float = 0.05) -> Any:
    """Prepared and moved away from its start, as training would."""
    method.prepare(support_view(tiny_backbone(), classes or class_set("base")))
    with torch.no_grad():
        for parameter in method.trainable.parameters():
            parameter.add_(by * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(4)))
    return method


def moved(name: str, classes: ClassSet | None = None, *, by: float = 0.05, **config: Any) -> Any:
    """Made, prepared and moved away from its start; a host moves alike with and without a wrapper around it."""
    cls = get_method(name)
    if name.endswith("clip_lora"):
        config["dropout"] = 0.0
    settings = cls.info.default_config(EvalProtocol.BASE_TO_NEW).model_dump() | config
    method: Any = cls(tiny_backbone(), cls.info.config.model_validate(settings), torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), classes or class_set("base")))
    with torch.no_grad():
        for key, parameter in method.trainable.named_parameters():
            seed = 4 if key.startswith("head.") else 5
            parameter.add_(by * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)))
    return method


def assert_counted(method: Any, n_classes: int = 5) -> None:
    """The settings of a method that was prepared with two shots count what it learns."""
    sizes = replace(tiny_backbone().sizes, n_classes=n_classes, shots=2)
    assert method.config.parameter_count(sizes) == method.learned_parameters()


def train_batch(needs: frozenset[Needs] = ALL_NEEDS) -> Batch:
    return batch_of(tiny_backbone(), images("train")[INDEX], INDEX // 2, needs)


def recipe_of(case: Case) -> Recipe:
    """The optimiser of the case; its learning rate is set step by step."""
    if "OPTIM" not in case.config:
        plain = case.config["optimizer"]
        settings = {k: plain[k] for k in ("momentum", "eps", "weight_decay") if k in plain}
        return Recipe(optimizer=plain["class"].lower(), lr=1.0, **settings)
    optim = case.config["OPTIM"]
    return Recipe(
        optimizer=optim["NAME"],
        lr=optim["LR"],
        momentum=optim["MOMENTUM"],
        eps=optim.get("EPS"),
        weight_decay=optim["WEIGHT_DECAY"],
    )


ParameterMap = Callable[[Any], Mapping[str, nn.Parameter]]


def replay(
    method: TrainableMethod[Any],
    case: Case,
    parameters: ParameterMap,
    *,
    template: str = "a photo of a {}.",
    classes_of: Callable[[str], ClassSet] | None = None,
    support: SupportView | None = None,
    after_step: Callable[[int], None] = lambda step: None,
    recipe: Recipe | None = None,
) -> None:
    """Load the recorded initial values, train five steps on the recorded batches, and compare after each step.

    `classes_of` gives the class list of `base`, `new` and `all`, by default their names in `template`.
    `after_step(step)` is called after each update (from 1), before the trained tensors are compared. With a `recipe`,
    the method's own parameter groups get the rates that it gives them, one step an epoch, which must be the recorded.
    """
    backbone = method.backbone
    classes_of = classes_of or partial(class_set, template=template)
    method.prepare(support or support_view(backbone, classes_of(case.config["train_classes"])))
    named = parameters(method)
    init = case.group("init")
    assert set(named) == set(init), f"trained tensors differ: {set(named) ^ set(init)}"
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(init[name].reshape(parameter.shape))
    check_logits(method, case, "logits_before", classes_of)
    optimizer = make_optimizer(
        recipe or recipe_of(case), method.parameter_groups() if recipe else method.trainable.parameters()
    )
    for step, (lr, index) in enumerate(
        zip(case.config["lr_per_step"], case.tensors["batch_idx"], strict=True), start=1
    ):
        if recipe:
            set_rates(optimizer, recipe, Span(0, 0, recipe.epochs, 0, recipe.epochs), step - 1, step - 1)
            ours = [group["lr"] for group in optimizer.param_groups]
            assert ours == pytest.approx(case.config["lr_of_groups_per_step"][step - 1], rel=1e-9)
        else:
            for group in optimizer.param_groups:
                group["lr"] = lr
        loss = train_step(method, batch_of(backbone, images("train")[index], index // 2), optimizer)
        assert abs(loss - float(case.tensors["loss"][step - 1])) <= case.tolerance("loss"), f"loss of step {step}"
        if step == 1:
            for name, parameter in named.items():
                assert parameter.grad is not None
                case.assert_close(parameter.grad, f"grad1/{name}", "grad1")
        after_step(step)
        if step in (1, 5):
            adaptive = isinstance(optimizer, torch.optim.Adam | torch.optim.AdamW)
            moved = sum(case.config["lr_per_step"][:step]) if adaptive else 0.0
            for name, parameter in named.items():
                case.assert_close(parameter, f"after{step}/{name}", f"after{step}", moved=moved)
    check_logits(method, case, "logits_after", classes_of)


def check_logits(method: Method[Any], case: Case, when: str, classes_of: Callable[[str], ClassSet]) -> None:
    # methods tied to their classes were recorded on the test images of those classes alone
    for which in case.config.get("eval_classes", [case.config["train_classes"]]):
        if f"{when}/{which}" not in case.tensors:
            continue
        pixels = images("test")[: len(case.tensors[f"{when}/{which}"])]
        with torch.no_grad():
            logits = method.classifier(classes_of(which))(batch_of(method.backbone, pixels, None))
        case.assert_logits(method, logits, f"{when}/{which}", f"{when}/{which}")
