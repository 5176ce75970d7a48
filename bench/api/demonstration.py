"""The runs of `etl-bench demo`."""

from typing import Any

from bench.sweep import RecipeChoice, SweepRequest

METHODS = (
    "zero_shot", "coop", "deep_text_prompts", "clip_adapter", "text_adapter", "vpt", "vpt_text_adapter",
    "text_prompts_visual_adapter", "ivlp", "maple", "apex",
)  # fmt: skip
"""Zero-shot, prompts and adapters of one or both towers, and every method that a base-to-new claim compares."""
TEST_IMAGES = 10
"""Per class. Shots and test images are few because the time of most runs is proportional to them."""
SHOTS = 6
DATASETS = tuple(
    f"spectrum_{name}:test={TEST_IMAGES}"
    for name in (
        "basic", "blur", "clutter", "layout", "sketch", "words", "colours", "textures", "counting", "landcover",
        "angles",
    )
)  # fmt: skip
"""The whole suite, from easy to hard."""
SEEDS = (1, 2, 3)
QUICK_METHODS = ("zero_shot", "coop", "clip_adapter", "vpt")
QUICK_DATASETS = tuple(f"spectrum_{name}:test={TEST_IMAGES}" for name in ("basic", "blur", "words"))


def demo_request(*, quick: bool, **options: Any) -> SweepRequest:
    """The runs of the demo; other options are those of `etl-bench run`."""
    return SweepRequest.build(
        methods=QUICK_METHODS if quick else METHODS,
        datasets=QUICK_DATASETS if quick else DATASETS,
        shots=[SHOTS],
        seeds=SEEDS[:1] if quick else SEEDS,
        recipe=RecipeChoice.DEMO,
        device="cpu",  # towers this small are not faster on a GPU, and the numbers are the same everywhere
        keep_branches=True,
        **options,
    )
