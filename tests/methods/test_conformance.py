"""Every registered method passes every check of the conformance kit. A new method is tested by being registered."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import lru_cache

import pytest
from families_of_methods import cheap_of_each_family, reads_images
from one_case import for_each
from short_settings import SHORT

from bench.extensions.conformance import CHECKS, CheckOutcome, Subject, run_check
from bench.extensions.conformance.subject import OTHER_CLASSES
from datasets_registry import EvalProtocol
from methods import METHODS, ClosedVocabularyError, Recipe, Sizes, demo_recipe


@lru_cache(maxsize=1)
def subject_of(name: str) -> Subject:
    """One subject per method. Its tests run one after the other and share what is expensive."""
    subject = Subject(METHODS.get(name))
    if name not in SHORT:
        return subject
    return Subject(METHODS.get(name), type(subject.config).model_validate(subject.config.model_dump() | SHORT[name]))


LONG = {"images_belong_to_their_labels", "training_learns", "runs_are_independent", "a_kept_model_classifies_alike"}
"""Checks that take more than half of the time of all."""
QUICK = set(CHECKS) - LONG


def checked() -> Iterator[object]:
    """Each method with both groups of checks. One of each family is fast, and quick checks without images or search."""
    fast = cheap_of_each_family(list(METHODS))
    for name in METHODS:
        costly = name in SHORT or reads_images(name)
        for group, checks, slow in (("quick", QUICK, costly and name not in fast), ("long", LONG, name not in fast)):
            yield pytest.param(name, checks, id=f"{name}-{group}", marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("name", "checks"), list(checked()))
def test_every_method_passes_every_check(name: str, checks: set[str]) -> None:
    results = [run_check(check, subject_of(name)) for key, check in CHECKS.items() if key in checks]
    failed = [result for result in results if result.outcome is CheckOutcome.FAILED]
    assert not failed, "\n".join(f"{one.check}: {one.message}. {one.remedy}" for one in failed)


@for_each("name", list(METHODS))
def test_a_method_is_registered_under_the_name_of_its_file(name: str) -> None:
    cls = METHODS.get(name)
    assert cls.info.name == name == inspect.getmodule(cls).__name__.rpartition(".")[2]  # type: ignore[union-attr]
    for recipe in cls.info.recipes.values():
        assert demo_recipe(recipe).name == "demo"


def recipe_of(name: str) -> Recipe:
    """The published recipe: of base-to-new, or of few-shot for methods tied to their classes."""
    recipes = METHODS.get(name).info.recipes
    return recipes.get(EvalProtocol.BASE_TO_NEW) or recipes[EvalProtocol.FEW_SHOT]


def test_class_specific_contexts_refuse_other_classes() -> None:
    from methods.coop import CoOpConfig

    subject = Subject(METHODS.get("coop"), CoOpConfig(class_specific=True, n_ctx=4))
    assert not subject.is_open
    with pytest.raises(ClosedVocabularyError, match="its 3 training classes"):
        subject.evaluation_logits(subject.prepared(), OTHER_CLASSES)


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
    "dmn": {"optimizer": "adamw", "lr": 1e-4, "eps": 1e-8, "weight_decay": 1e-4, "batch_size": 128, "epochs": 20,
            "schedule": "cosine", "min_lr": 1e-7, "crop_scale": (0.5, 1.0)},
    "ldc": {"optimizer": "adamw", "lr": 1e-4, "eps": 1e-4, "weight_decay": 1e-4, "batch_size": 64, "epochs": 50,
            "schedule": "cosine", "min_lr": 0.0, "warmup": "none", "views": 0, "crop_scale": (0.8, 1.0),
            "drop_last": False},
    "kgcoop": {"optimizer": "sgd", "lr": 0.002, "weight_decay": 5e-4, "batch_size": 128, "epochs": 100},
    "prograd": {"optimizer": "sgd", "lr": 0.002, "batch_size": 32, "epochs": 100},
    "cocoop": {"optimizer": "sgd", "lr": 0.002, "batch_size": 1, "epochs": 10},
    "maple": {"optimizer": "sgd", "lr": 0.0035, "batch_size": 4, "epochs": 5, "warmup": "constant"},
    "promptsrc": {"optimizer": "sgd", "lr": 0.0025, "batch_size": 4, "epochs": 20},
    "promptkd": {"optimizer": "sgd", "lr": 0.005, "weight_decay": 5e-4, "batch_size": 8, "epochs": 20,
                 "warmup": "constant", "warmup_epochs": 1, "warmup_lr": 1e-5},
    "mmrl": {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 5e-4, "batch_size": 4, "epochs": 10, "views": 0,
             "warmup": "constant", "warmup_epochs": 1, "warmup_lr": 1e-5, "crop_scale": (0.5, 1.0)},
    "mmrl_pp": {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 5e-4, "batch_size": 4, "epochs": 10, "views": 0,
                "warmup": "constant", "warmup_epochs": 1, "warmup_lr": 1e-5, "crop_scale": (0.5, 1.0)},
    "clip_svd": {"optimizer": "adamw", "lr": 4e-4, "weight_decay": 0.01, "batch_size": 32, "epochs": 20,
                 "schedule": "wave", "min_lr": 1e-6, "warmup": "none", "crop_scale": (0.08, 1.0), "drop_last": False},
    "hicropl": {"optimizer": "adam", "lr": 0.0025, "eps": 1e-3, "weight_decay": 5e-4, "batch_size": 32, "epochs": 50,
                "warmup": "constant", "warmup_epochs": 1, "warmup_lr": 1e-5, "crop_scale": (0.08, 1.0)},
    "lweib": {"optimizer": "sgd", "lr": 0.28, "weight_decay": 5e-4, "batch_size": 16, "epochs": 25, "warmup": "none"},
    "mma": {"optimizer": "sgd", "lr": 0.0015, "batch_size": 16, "epochs": 5, "warmup": "none"},
    "coprompt": {"optimizer": "sgd", "lr": 0.0035, "weight_decay": 5e-4, "batch_size": 4, "epochs": 8,
                 "warmup": "constant"},
    "dept": {"optimizer": "sgd", "lr": 0.0035, "weight_decay": 5e-4, "batch_size": 4, "epochs": 10},
    "atprompt_on": {"optimizer": "sgd", "lr": 0.002, "batch_size": 32, "epochs": 100,
                    "by_dataset": {"imagenet": {"epochs": 10}}},
    "dpc_on": {"optimizer": "sgd", "lr": 0.002, "batch_size": 32, "epochs": 100, "warmup": "constant"},
    "tcpt_on": {"optimizer": "sgd", "lr": 0.002, "batch_size": 32, "epochs": 50, "warmup": "constant"},
    "rpo": {"optimizer": "sgd", "lr": 0.01, "weight_decay": 5e-4, "batch_size": 4, "epochs": 15, "warmup": "constant"},
    "tcp": {"optimizer": "adam", "lr": 0.002, "eps": 1e-3, "weight_decay": 5e-4, "batch_size": 32, "epochs": 50},
    "nlprompt": {"optimizer": "sgd", "lr": 0.002, "weight_decay": 5e-4, "batch_size": 32, "epochs": 200},
    "skip_tuning": {"optimizer": "sgd", "lr": 2e-5, "weight_decay": 5e-4, "batch_size": 4, "epochs": 20,
                    "by_dataset": {name: {"epochs": 5} for name in ("imagenet", "sun397", "food101")},
                    "warmup": "constant", "warmup_epochs": 1, "warmup_lr": 1e-6},
    "dekg": {"optimizer": "sgd", "lr": 0.002, "weight_decay": 5e-4, "batch_size": 128, "epochs": 100},
    "dekg_tcp": {"optimizer": "adam", "lr": 0.002, "eps": 1e-3, "weight_decay": 5e-4, "batch_size": 32, "epochs": 100},
    "clip_lora": {"optimizer": "adamw", "lr": 2e-4, "weight_decay": 0.01, "batch_size": 32, "steps_per_shot": 500,
                  "schedule": "cosine", "min_lr": 1e-6, "warmup": "none"},
    "two_stage": {"optimizer": "adamw", "lr": 2e-4, "weight_decay": 0.01, "batch_size": 32, "steps_per_shot": 300,
                  "schedule": "cosine", "min_lr": 1e-6, "warmup": "none", "crop_scale": (0.08, 1.0)},
    "clip_fit": {"optimizer": "sgd", "lr": 0.002, "weight_decay": 5e-4, "batch_size": 32, "epochs": 100,
                 "warmup": "constant"},
    "plot_pp": {"optimizer": "sgd", "lr": 0.002, "batch_size": 32, "epochs": 200, "warmup": "constant"},
    "wise_ft_on": {"epochs": 100},
    "task_res": {"optimizer": "adam", "lr": 2e-3, "weight_decay": 5e-4, "batch_size": 256, "epochs": 200, "views": 0},
    "zs_lp": {"optimizer": "sgd", "lr": 0.1, "weight_decay": 0.0, "batch_size": 256, "epochs": 300, "views": 20},
    "clap": {"optimizer": "sgd", "lr": 0.1, "weight_decay": 0.0, "batch_size": 256, "epochs": 300, "views": 20},
    "cross_modal": {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.01, "batch_size": 4, "steps": 12_800,
                    "schedule": "cosine", "warmup_steps": 50, "warmup_lr": 1e-5, "augment": False},
    "prolip": {"optimizer": "adam", "lr": 1e-5, "eps": 1e-4, "weight_decay": 0.0, "batch_size": 0, "epochs": 300,
               "schedule": "cosine", "views": 0, "crop_scale": (0.5, 1.0)},
    "full_ft": {"optimizer": "adam", "lr": 1e-5, "eps": 1e-4, "weight_decay": 0.0, "batch_size": 16, "epochs": 300,
                "schedule": "cosine", "min_lr": 0.0, "warmup": "none", "views": 0, "crop_scale": (0.5, 1.0)},
    "last_block_ft": {"optimizer": "adam", "lr": 1e-5, "eps": 1e-4, "weight_decay": 0.0, "batch_size": 16,
                      "epochs": 300, "schedule": "cosine", "min_lr": 0.0, "warmup": "none", "views": 0,
                      "crop_scale": (0.5, 1.0), "drop_last": False},
    "lp_plus_plus": {"optimizer": "sgd", "lr": 1.0, "momentum": 0.9, "weight_decay": 0.0, "batch_size": 0,
                     "epochs": 300, "schedule": "constant", "views": 1, "crop_scale": (0.5, 1.0)},
}  # fmt: skip
CONFIGS = {
    "ldc": {"hidden": 2048, "level_shares": (0.1, 0.2, 0.3, 0.4), "mlp_share": None},
    "coop": {"ctx_init": "a photo of a"},
    "clip_adapter": {"ratio": 0.2, "reduction": 4},
    "vpt": {"n_visual": 8, "depth": 0},
    "ivlp": {"n_text": 2, "n_visual": 2, "text_depth": 0, "visual_depth": 0},
    "deep_text_prompts": {"n_text": 4, "depth": 0},
    "apex": {"n_visual": 2, "n_text": 2, "text_depth": 1, "beta": 4.0, "eps": 0.05, "adapter": "linear",
             "ensemble": "both",
             "ensemble_weight": "adaptive", "fixed_weight": 0.4, "nn_distance": "max", "vision_blend": "adapted"},
    "tip_adapter_f": {"alpha": 1.17, "search_scale": (12.0, 10.0), "beta": 1.0, "augment_epochs": 10,
                      "search_step": (200, 20)},
    "dmn": {"beta": 5.5, "share": 1.0},
    "kgcoop": {"weight": 8.0, "worded_init": True},
    "prograd": {"n_ctx": 16, "worded_init": True, "weight": 1.0, "temperature": 1.0},
    "cocoop": {"ctx_init": "a photo of a", "reduction": 16},
    "maple": {"n_ctx": 2, "depth": 9, "worded_init": True},
    "promptsrc": {"n_text": 4, "n_visual": 4, "text_depth": 9, "visual_depth": 9, "text_weight": 25.0,
                  "image_weight": 10.0, "average_mean": 15.0, "average_std": 1.0},
    "promptkd": {"n_visual": 4, "visual_depth": 9, "temperature": 1.0, "weight": 1000.0},
    "mmrl": {"n_tokens": 5, "dim": 512, "blocks": 7, "class_weight": 0.7, "weight": 1.0, "fused": True},
    "mmrl_pp": {"n_tokens": 5, "dim": 512, "blocks": 7, "class_weight": 0.7, "weight": 1.0, "fused": True, "rank": 4,
                "projection_rank": 64, "new_share": 0.9},
    "clip_svd": {"logit_scale": None},
    "hicropl": {"n_ctx": 16, "depth": 12, "text_to_image": 6, "weight": 12.0, "mapping": "copied", "test_maps": 1},
    "lweib": {"scale": 0.025, "fast_factor": 2.5, "slow_share": 0.8, "negatives": 7},
    "mma": {"blocks": 8, "hidden": 32, "scale": 0.001},
    "coprompt": {"n_ctx": 2, "depth": 9, "reduction": 4, "text_ratio": 0.2, "image_ratio": 0.1, "weight": 1.0},
    "dept": {"head_share": 0.7, "head_rate": 6.5, "weight": 2.0, "worded_init": True},
    "atprompt_on": {"attributes": "color shape", "attribute_ctx": None, "n_ctx": 2, "ctx_init": ""},
    "dpc_on": {"base_share": 0.2, "new_share": 0.0, "top": 4, "parallel_batch": 8, "parallel_epochs": 20},
    "tcpt_on": {"margin_weight": 0.1, "margin_variance_weight": 0.01, "moment_weight": 5.0},
    "rpo": {"n_pairs": 24, "noise": 0.1, "keep_underscores": True},
    "tcp": {"n_ctx": 4, "reduction": 4, "layer": 8, "weight": 8.0},
    "nlprompt": {"n_ctx": 16, "entropy": 0.01, "iterations": 1000, "tolerance": 1e-6},
    "skip_tuning": {"skipped": 6, "kept_share": 0.5, "kept_most": 50, "image_rate": 0.25, "spread": 0.3},
    "dekg": {"weight": 8.0, "divergence": 6.0, "worded_init": True},
    "dekg_tcp": {"n_ctx": 4, "layer": 8, "weight": 8.0, "divergence": 6.0},
    "clip_lora": {"encoder": "both", "targets": ("q", "k", "v"), "rank": 2, "alpha": 1.0, "dropout": 0.25},
    "two_stage": {"first_share": 0.6, "norms": "blocks", "template": "a photo of a {}."},
    "clip_fit": {"weight": 8.0},
    "plot_pp": {"n_text": 4, "n_image": 4, "n_ctx": 4, "n_visual": 2, "worded_init": True, "eps": 0.1,
                "iterations": 100, "tolerance": 0.01},
    "wise_ft_on": {"trained_share": 0.5},
    "task_res": {"alpha": 0.5, "keep_underscores": True},
    "zs_lp": {"init": "zero_shot", "trained_share": 1.0, "keep_underscores": True},
    "clap": {"views": 20, "keep_underscores": True},
    "cross_modal": {"modality": "cross", "head": "linear", "init": "zero_shot", "trained_share": 1.0},
    "prolip": {"penalty": "per_shot"},
    "full_ft": {"normalise_images": False, "templates": ("own",)},
    "last_block_ft": {"blocks": 1, "penalty": 0.0, "normalise_images": False},
    "lp_plus_plus": {"alpha_every": 10, "alpha_gradient": "since_start", "alpha_start": 250.0},
}  # fmt: skip


@for_each("name", PUBLISHED)
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
LEARN_NOTHING = (
    "zero_shot", "tip_adapter", "gda", "ss_text", "ss_text_plus", "ss_text_u", "timo", "timo_s", "ape", "proker",
    "rehark", "tda", "tpt", "transclip",
)  # fmt: skip
CARD_COUNTS = {
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
    "promptkd": 1_013_760,
    "clip_lora": 184_320,
    "tcp": 331_904,
    "skip_tuning": 62_099_456,
    "dekg": 2_048,
    "nlprompt": 8_192,
    "dekg_tcp": 331_904,
    "mma": 674_560,
    "mmrl": 4_992_256,
    "mmrl_pp": 813_312,
    "clip_svd": 92_160,
    "lweib": 12 * (15 * 512 + 45 * 768) - 36 * 768,
    "hicropl": 16 * 12 * (512 + 768),
    "rpo": 30_720,
    "dept": 2_048 + 2_048 + 50 * 513,
    "coprompt": 3_817_216,
    "two_stage": 61_440 + 50 * 512,
    "clip_fit": 46_080,
    "plot_pp": 16 * 512 + 8 * 768,
    "wise_ft_on": 46_080,
    "apex_on": 2_048,
    "tcpt_on": 8_192,
    "dpc_on": 2_048,
    "atprompt_on": 3 * 2 * 512,
    "tip_adapter_f": 16 * 50 * 512,
    "dmn": 5 * 50 * 512,
    "task_res": 50 * 512,
    "zs_lp": 50 * 512,
    "clap": 50 * 512,
    "linear_probe": 50 * 513,
    "lp_plus_plus": 50 * 512 + 2 * 50,
    "cross_modal": 50 * 512,
    "prolip": 393_216,
    "ldc": 4 * 768 * 770 + 2_048 * 564 + 512 * 2_669,
    "full_ft": 86_192_640,
    "last_block_ft": 7_087_872,
}


VIT_B16 = Sizes(
    embed_dim=512, text_width=512, text_blocks=12, image_width=768, image_blocks=12, image_parameters=86_192_640,
    n_classes=50, shots=16,
)  # fmt: skip


@for_each("name", [*CARD_COUNTS, *LEARN_NOTHING])
def test_parameter_counts_are_the_published_ones(name: str) -> None:
    info = METHODS.get(name).info
    config = info.default_config(EvalProtocol.BASE_TO_NEW)
    assert config.parameter_count(VIT_B16) == CARD_COUNTS.get(name, 0)
