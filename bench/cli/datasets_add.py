"""`etl-bench datasets add`: registers your own images, or their features, as a dataset."""

from __future__ import annotations

import time
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.api import add_dataset, add_features, backbone_advice
from bench.cli import _options as opt
from bench.cli._options_of import options_of
from bench.cli._print import print_facts, print_rows, remark
from bench.errors import UsageError
from datasets_registry import BACKBONE_PREFIX

if TYPE_CHECKING:
    from datasets_registry import feature_bundle

SECONDS_BETWEEN_LINES = 5.0
LEAST_TO_COMPARE = 2
"""Training images of a class, of which one is held out."""


@options_of(add_dataset, add_features)
def add(
    images: str | None = None,
    file: Path | None = None,
    backbone: str | None = None,
    classes: Path | None = None,
    as_json: opt.AsJson = False,
    **options: Any,
) -> None:
    """Inspect your images and register them as a dataset, described by NAME.toml.

    Every image is read. If some images are broken, the command lists them all and writes nothing. NAME.toml is
    written to the folder in ETL_BENCH_DATASETS, by default ./etl-bench-datasets. Images are not copied.

    --features imports precomputed features of images that cannot be shared, for methods that need only features. They
    become a dataset with a backbone of the given name.

    Example: etl-bench datasets add birds --images ~/birds --template 'a photo of a {}, a type of bird.'

    Example: etl-bench datasets add scans --features scans.npz --backbone our-clip --classes classes.txt
    """
    from datasets_registry import BadImagesError

    if (images is None) is (file is None):
        raise UsageError("Give --images or --features, one of them.")
    if file is not None:
        if backbone is None or classes is None:
            raise UsageError(f"--features needs {'--backbone' if backbone is None else '--classes'} as well.")
        feature_options = _only(options, add_features, add_dataset, "--features")
        _print_features(add_features(file=file, backbone=backbone, classes=classes, **feature_options))
        return
    given = {"backbone": backbone, "classes": classes, **options}
    image_options = _only(given, add_dataset, add_features, "--images")
    try:
        added = add_dataset(images=str(images), progress=_Progress(), **image_options)
    except BadImagesError as error:
        print_rows([{"image": image.key, "problem": image.problem} for image in error.bad], as_json=as_json)
        raise
    print_facts(added.facts(), as_json=as_json)
    for line in added.notes():
        remark(line)
    if min(added.train_sizes) < LEAST_TO_COMPARE:
        remark("Next: `recommend` needs two training images of each class; add some, or give --min-images N")
        return
    shots, allow_fewer = added.suggested_shots
    fewer = " --allow-fewer" if allow_fewer else ""
    remark(f"Next: etl-bench recommend {added.info.name} -b ViT-B-16.openai --shots {shots}{fewer}")
    remark(f"{backbone_advice()}.")


def _only(
    options: dict[str, Any], function: Callable[..., Any], other: Callable[..., Any], kind: str
) -> dict[str, Any]:
    """The options of a function; raises UsageError for a given one of the other function alone."""
    own, foreign = signature(function).parameters, signature(other).parameters
    for name, value in options.items():
        if name not in own and value not in (None, foreign[name].default):
            option = name.removesuffix("s") if isinstance(value, dict) else name.replace("_", "-")  # --array, repeated
            raise UsageError(f"--{option} has no effect with {kind}. Leave it out.")
    return {name: value for name, value in options.items() if name in own}


def _print_features(bundle: feature_bundle.FeatureBundle) -> None:
    name, facts = bundle.facts.name, bundle.facts
    sizes = ", ".join(f"{len(bundle.arrays[f'{s}_labels'])} {s}" for s in ("train", "val", "test"))
    remark(f"{name}: {len(facts.class_names)} classes, {sizes}; in {bundle.folder}")
    remark(f"Next: etl-bench run -d {name} -b {BACKBONE_PREFIX}.{facts.backbone} -m all --protocol few-shot --shots N")


class _Progress:
    """Prints the number of inspected images to standard error, every few seconds."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._said >= SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            remark(f"inspected {done} of {total} images")
