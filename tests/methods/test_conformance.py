"""What every registered method must do, on a tiny random backbone. A new method is tested by being registered."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
import torch
from parity_kit import batch_of, class_set, tiny_backbone
from torch import Tensor

from bench.training import epoch_batches, make_optimizer, train_step
from datasets_registry._types import ClassSet, EvalProtocol
from methods import METHODS, Batch, ClosedVocabularyError, Family, Method, MethodConfig, SupportView, TrainableMethod
from methods._base import UndeclaredNeedError, count_parameters
from methods._recipe import Recipe, demo_recipe

# names whose tokens the tiny CLIP knows; the rows of all others are zero
CLASSES = ClassSet(class_set("base").names[:3], "a photo of a {}.")
OTHERS = ClassSet(class_set("new").names[:2], "a photo of a {}.")
LABELS = torch.arange(3).repeat_interleave(8)

TRAINABLE = [name for name in METHODS if issubclass(METHODS.get(name), TrainableMethod)]
every = pytest.mark.parametrize("name", list(METHODS))
trainable = pytest.mark.parametrize("name", TRAINABLE)


def toy_pixels(labels: Tensor, seed: int) -> Tensor:
    """One fixed pattern a class, with a little noise: separable."""
    patterns = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(7))
    noise = torch.randn(len(labels), 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    return patterns[labels] + 0.3 * noise


PIXELS = toy_pixels(LABELS, seed=0)


def recipe_of(name: str) -> Recipe:
    """The published recipe: of base-to-new, or of few-shot for methods tied to their classes."""
    recipes = METHODS.get(name).info.recipes
    return recipes.get(EvalProtocol.BASE_TO_NEW) or recipes[EvalProtocol.FEW_SHOT]


def batch(name: str, index: Tensor | slice = slice(None), labels: Tensor | None = LABELS) -> Batch:
    needs = METHODS.get(name).info.needs
    return batch_of(tiny_backbone(), PIXELS[index], None if labels is None else labels[index], needs)


def prepared(name: str, seed: int = 0, config: MethodConfig | None = None) -> Method[Any]:
    cls = METHODS.get(name)
    config = config or cls.info.default_config(EvalProtocol.BASE_TO_NEW)
    method = cls(tiny_backbone(), config, torch.Generator().manual_seed(seed))
    method.prepare(support())
    return method


def support(pixels: Tensor | None = None) -> SupportView:
    def features() -> Tensor:
        return batch_of(tiny_backbone(), PIXELS if pixels is None else pixels, None).features

    def views(k: int, _: tuple[float, float]) -> Tensor:
        return torch.stack([features() + 0.01 * i for i in range(k)])

    return SupportView(CLASSES, LABELS, 8, features, views)


def trained(name: str, steps: int = 12) -> Method[Any]:
    method = prepared(name)
    if isinstance(method, TrainableMethod):
        recipe = recipe_of(name)
        optimizer = make_optimizer(recipe, method.parameter_groups())
        order = torch.Generator().manual_seed(0)
        while steps > 0:
            for index in epoch_batches(len(LABELS), 8, order):
                train_step(method, batch(name, index), optimizer)
                steps -= 1
        method.on_epoch_end(0, 1)
        method.finalise()
    if method.info.needs_validation:
        method.calibrate(support(toy_pixels(LABELS, seed=5)))
    return method


def logits_of(method: Method[Any], classes: ClassSet = CLASSES, index: Tensor | slice = slice(None)) -> Tensor:
    with torch.no_grad():
        return method.classifier(classes)(batch(method.info.name, index, labels=None))


@every
def test_the_backbone_is_unchanged_bit_for_bit(name: str) -> None:
    before = {k: v.clone() for k, v in tiny_backbone().model.state_dict().items()}
    logits_of(trained(name), CLASSES)
    for key, value in tiny_backbone().model.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert not any(p.requires_grad or p.grad is not None for p in tiny_backbone().model.parameters())


@trainable
def test_all_of_trainable_gets_gradients(name: str) -> None:
    method = prepared(name)
    # behind one step, since of a low-rank pair one half starts at zero and the other has no gradient then
    train_step(method, batch(name), make_optimizer(recipe_of(name), method.parameter_groups()))
    method.trainable.zero_grad()
    method.loss(batch(name)).backward()
    for key, parameter in method.trainable.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().sum() > 0, key


@every
def test_logits_have_the_right_shape_and_are_finite_for_any_class_list(name: str) -> None:
    method = trained(name)
    assert logits_of(method).shape == (24, 3)
    assert logits_of(method).isfinite().all()
    if method.info.is_open(method.config):
        assert logits_of(method, OTHERS).shape == (24, 2)
        assert logits_of(method, OTHERS).isfinite().all()
    else:
        with pytest.raises(ClosedVocabularyError):
            logits_of(method, OTHERS)


@every
def test_the_same_generator_gives_the_same_logits(name: str) -> None:
    assert torch.equal(logits_of(trained(name)), logits_of(trained(name)))


@trainable
def test_the_loss_falls_on_a_separable_task(name: str) -> None:
    method = prepared(name)
    with torch.no_grad():
        before = float(method.loss(batch(name)))
    recipe = recipe_of(name)
    optimizer = make_optimizer(recipe, method.parameter_groups())
    for _ in range(60):
        train_step(method, batch(name), optimizer)
    with torch.no_grad():
        assert float(method.loss(batch(name))) < before


@trainable
def test_loading_what_was_saved_gives_equal_logits(name: str) -> None:
    method, other = trained(name), prepared(name, seed=1)
    other.trainable.load_state_dict(method.trainable.state_dict())
    assert torch.equal(logits_of(method), logits_of(other))
    if method.info.is_open(method.config):
        assert torch.equal(logits_of(method, OTHERS), logits_of(other, OTHERS))


@every
def test_a_batch_of_one_equals_the_row_of_a_batch(name: str) -> None:
    method = trained(name)
    torch.testing.assert_close(logits_of(method, index=slice(5, 6)), logits_of(method)[5:6], atol=1e-4, rtol=1e-5)


@every
def test_the_order_of_classes_does_not_matter(name: str) -> None:
    method = trained(name)
    if not method.info.is_open(method.config):
        pytest.skip("its parameters are tied to the order of the classes")
    backwards = ClassSet(CLASSES.names[::-1], CLASSES.template)
    torch.testing.assert_close(logits_of(method, backwards), logits_of(method).flip(1), atol=1e-4, rtol=1e-5)


@every
def test_the_parameter_count_equals_its_formula(name: str) -> None:
    method = prepared(name)
    stated = method.info.parameters(tiny_backbone(), method.config, len(CLASSES), shots=8)
    if isinstance(method, TrainableMethod):
        assert count_parameters(method.trainable) == stated
    assert trained(name).learned_parameters() == stated


@every
def test_facts_are_complete(name: str) -> None:
    cls = METHODS.get(name)
    info = cls.info
    assert info.name == name == inspect.getmodule(cls).__name__.rpartition(".")[2]  # type: ignore[union-attr]
    assert info.title
    assert info.summary.endswith(".")
    assert isinstance(info.family, Family)
    assert inspect.getdoc(inspect.getmodule(cls))
    assert issubclass(cls, TrainableMethod) == bool(info.recipes)
    for recipe in info.recipes.values():
        assert recipe.source, "a recipe says where its values are printed"
        assert demo_recipe(recipe).name == "demo"
    for key, field in info.config.model_fields.items():
        assert field.description, f"{key} says what it is and where its default comes from"


@every
def test_the_citation_parses(name: str) -> None:
    entry = METHODS.get(name).info.citation.strip()
    head = re.match(r"@(article|inproceedings|misc)\{(\w+),\n", entry)
    assert head, entry
    assert entry.endswith("}")
    assert entry.count("{") == entry.count("}")
    fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", entry, flags=re.M))
    assert {"title", "author", "year"} <= set(fields)
    assert re.fullmatch(r"20\d\d", fields["year"])


@every
def test_only_declared_inputs_are_read(name: str) -> None:
    """Everything above ran on batches that raise for undeclared inputs; here, that they do raise."""
    info = METHODS.get(name).info
    guarded = batch_of(tiny_backbone(), PIXELS[:1], None, frozenset())
    for need in info.needs:
        with pytest.raises(UndeclaredNeedError, match="declares needs: nothing"):
            getattr(guarded, need.value)
    with pytest.raises(UndeclaredNeedError, match="out of a method's reach"):
        _ = batch(name, labels=None).labels


def test_class_specific_contexts_refuse_other_classes() -> None:
    from methods.coop import CoOpConfig

    config = CoOpConfig(class_specific=True, n_ctx=4)
    method = prepared("coop", config=config)
    assert not method.info.is_open(config)
    with pytest.raises(ClosedVocabularyError, match="tied to its 3 training classes"):
        logits_of(method, OTHERS)


# method -> settings of the published recipe, read from METHODS and APEX notes, not from the code under test
PUBLISHED = {
    "coop": {"optimizer": "sgd", "lr": 0.002, "momentum": 0.9, "weight_decay": 5e-4, "batch_size": 32, "epochs": 200,
             "warmup": "constant", "warmup_epochs": 1, "warmup_lr": 1e-5, "views": 0, "crop_scale": (0.08, 1.0)},
    "clip_adapter": {"optimizer": "sgd", "lr": 0.002, "batch_size": 32, "epochs": 200},
    "vpt": {"optimizer": "sgd", "lr": 0.0025, "batch_size": 4, "epochs": 5},
    "ivlp": {"optimizer": "sgd", "lr": 0.0035, "batch_size": 4, "epochs": 5},
    "deep_text_prompts": {"optimizer": "sgd", "lr": 0.0025, "batch_size": 4, "epochs": 5},
    "apex": {"optimizer": "adadelta", "lr": 0.15, "weight_decay": 1e-3, "batch_size": 16, "epochs": 15,
             "warmup": "linear", "warmup_epochs": 1, "warmup_lr": 0.01},
    "tip_adapter_f": {"optimizer": "adamw", "lr": 1e-3, "eps": 1e-4, "weight_decay": 0.01, "batch_size": 256,
                      "epochs": 20, "schedule": "cosine", "crop_scale": (0.5, 1.0)},
    "kgcoop": {"optimizer": "sgd", "lr": 0.002, "weight_decay": 5e-4, "batch_size": 128, "epochs": 100},
    "prograd": {"optimizer": "sgd", "lr": 0.002, "batch_size": 32, "epochs": 100},
    "cocoop": {"optimizer": "sgd", "lr": 0.002, "batch_size": 1, "epochs": 10},
    "maple": {"optimizer": "sgd", "lr": 0.0035, "batch_size": 4, "epochs": 5, "warmup": "constant"},
    "promptsrc": {"optimizer": "sgd", "lr": 0.0025, "batch_size": 4, "epochs": 20},
    "mma": {"optimizer": "sgd", "lr": 0.0015, "batch_size": 16, "epochs": 5, "warmup": "none"},
    "coprompt": {"optimizer": "sgd", "lr": 0.0035, "weight_decay": 5e-4, "batch_size": 4, "epochs": 8,
                 "warmup": "constant"},
    "rpo": {"optimizer": "sgd", "lr": 0.01, "weight_decay": 5e-4, "batch_size": 4, "epochs": 15, "warmup": "constant"},
    "tcp": {"optimizer": "adam", "lr": 0.002, "eps": 1e-3, "weight_decay": 5e-4, "batch_size": 32, "epochs": 50},
    "clip_lora": {"optimizer": "adamw", "lr": 2e-4, "weight_decay": 0.01, "batch_size": 32, "steps_per_shot": 500,
                  "schedule": "cosine", "min_lr": 1e-6, "warmup": "none"},
    "task_res": {"optimizer": "adam", "lr": 2e-3, "weight_decay": 5e-4, "batch_size": 256, "epochs": 200, "views": 0},
    "zs_lp": {"optimizer": "sgd", "lr": 0.1, "weight_decay": 0.0, "batch_size": 256, "epochs": 300, "views": 20},
    "clap": {"optimizer": "sgd", "lr": 0.1, "weight_decay": 0.0, "batch_size": 256, "epochs": 300, "views": 20},
    "cross_modal": {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.01, "batch_size": 4, "steps": 12_800,
                    "schedule": "cosine", "warmup_steps": 50, "warmup_lr": 1e-5, "augment": False},
    "prolip": {"optimizer": "adam", "lr": 1e-5, "eps": 1e-4, "weight_decay": 0.0, "batch_size": 0, "epochs": 300,
               "schedule": "cosine", "views": 0, "crop_scale": (0.5, 1.0)},
    "lp_plus_plus": {"optimizer": "sgd", "lr": 1.0, "momentum": 0.9, "weight_decay": 0.0, "batch_size": 0,
                     "epochs": 300, "schedule": "constant", "views": 1, "crop_scale": (0.5, 1.0)},
}  # fmt: skip
CONFIGS = {
    "coop": {"ctx_init": "a photo of a"},
    "clip_adapter": {"ratio": 0.2, "reduction": 4},
    "vpt": {"n_visual": 8, "depth": 0},
    "ivlp": {"n_text": 2, "n_visual": 2, "text_depth": 0, "visual_depth": 0},
    "deep_text_prompts": {"n_text": 4, "depth": 0},
    "apex": {"n_visual": 2, "n_text": 2, "text_depth": 1, "beta": 4.0, "eps": 0.05, "adapter": "linear",
             "ensemble": "both",
             "ensemble_weight": "adaptive", "fixed_weight": 0.4, "nn_distance": "max", "vision_blend": "adapted"},
    "tip_adapter_f": {"alpha": 1.17, "beta": 1.0, "augment_epochs": 10, "search_step": (200, 20)},
    "kgcoop": {"weight": 8.0, "worded_init": True},
    "prograd": {"n_ctx": 16, "worded_init": True, "weight": 1.0, "temperature": 1.0},
    "cocoop": {"ctx_init": "a photo of a", "reduction": 16},
    "maple": {"n_ctx": 2, "depth": 9, "worded_init": True},
    "promptsrc": {"n_text": 4, "n_visual": 4, "text_depth": 9, "visual_depth": 9, "text_weight": 25.0,
                  "image_weight": 10.0, "average_mean": 15.0, "average_std": 1.0},
    "mma": {"blocks": 8, "hidden": 32, "scale": 0.001},
    "coprompt": {"n_ctx": 2, "depth": 9, "reduction": 4, "text_ratio": 0.2, "image_ratio": 0.1, "weight": 1.0},
    "rpo": {"n_pairs": 24, "noise": 0.1, "keep_underscores": True},
    "tcp": {"n_ctx": 4, "reduction": 4, "layer": 8, "weight": 8.0},
    "clip_lora": {"encoder": "both", "targets": ("q", "k", "v"), "rank": 2, "alpha": 1.0, "dropout": 0.25},
    "task_res": {"alpha": 0.5, "keep_underscores": True},
    "zs_lp": {"init": "zero_shot", "trained_share": 1.0, "keep_underscores": True},
    "clap": {"views": 20, "keep_underscores": True},
    "cross_modal": {"modality": "cross", "head": "linear", "init": "zero_shot", "trained_share": 1.0},
    "prolip": {"penalty": "per_shot"},
    "lp_plus_plus": {"alpha_every": 10, "alpha_gradient": "since_start", "alpha_start": 250.0},
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_defaults_are_the_published_settings(name: str) -> None:
    info = METHODS.get(name).info
    recipe = recipe_of(name).model_dump()
    assert {k: recipe[k] for k in PUBLISHED[name]} == PUBLISHED[name]
    config = info.default_config(EvalProtocol.BASE_TO_NEW).model_dump()
    assert {k: config[k] for k in CONFIGS[name]} == CONFIGS[name]


def test_coop_few_shot_settings_depend_on_the_shots() -> None:
    info = METHODS.get("coop").info
    recipe = info.recipes[EvalProtocol.FEW_SHOT]
    assert [recipe.epochs_for(k) for k in (1, 2, 4, 8, 16)] == [50, 100, 100, 200, 200]
    assert info.default_config(EvalProtocol.FEW_SHOT).model_dump()["n_ctx"] == 16


# trainable parameters on ViT-B/16 (embed 512, text 512 x 12, vision 768 x 12), 50 classes of 16 shots, from the cards
CARD_COUNTS = {
    "zero_shot": 0,
    "coop": 2_048,
    "clip_adapter": 131_072,
    "vpt": 73_728,
    "ivlp": 30_720,
    "deep_text_prompts": 24_576,
    "apex": 282_112,
    "kgcoop": 2_048,
    "prograd": 8_192,
    "cocoop": 35_360,
    "maple": 3_555_072,
    "promptsrc": 46_080,
    "clip_lora": 184_320,
    "tcp": 331_904,
    "mma": 674_560,
    "rpo": 30_720,
    "coprompt": 3_817_216,
    "apex_on": 2_048,
    "tip_adapter": 0,
    "tip_adapter_f": 16 * 50 * 512,
    "task_res": 50 * 512,
    "zs_lp": 50 * 512,
    "clap": 50 * 512,
    "linear_probe": 50 * 513,
    "lp_plus_plus": 50 * 512 + 2 * 50,
    "cross_modal": 50 * 512,
    "gda": 0,
    "ape": 0,
    "prolip": 393_216,
}


class ViTB16:
    embed_dim, text_width, text_depth, vision_width, vision_depth = 512, 512, 12, 768, 12


@pytest.mark.parametrize("name", CARD_COUNTS)
def test_parameter_formulas_give_the_published_counts(name: str) -> None:
    info = METHODS.get(name).info
    config = info.default_config(EvalProtocol.BASE_TO_NEW)
    count = inspect.unwrap(info.parameter_count)(ViTB16(), config, 50)
    assert count + 16 * inspect.unwrap(info.parameters_per_shot)(ViTB16(), config, 50) == CARD_COUNTS[name]
