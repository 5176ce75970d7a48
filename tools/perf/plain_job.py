"""One whole job as the official code runs it: its own process, every view and every text at each step, nothing stored.

The job is an `ExperimentSpec` in a file, and its logits go into another: the same task, draws and views as ours, so the
logits can be compared. Each training batch is decoded, augmented and encoded; each test batch of 100 images (as Dassl
has them) is decoded and encoded, and its classifier is built again, as the forward passes of the official files do.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from plain import PlainBackbone, without_memory
from safetensors.torch import save_file
from torch import Tensor

from bench._util.prefetch import prefetch
from bench.context import RunContext
from bench.experiment.features.views import CENTER_VIEW, View, render, to_pixels, view_params, views_for_epoch
from bench.experiment.task import load_task
from bench.experiment.training_loop import fit
from bench.spec import ExperimentSpec
from datasets_registry import Images, Sample
from methods import Backbone, Batch, Needs, Recipe, SupportView, get_method, load_backbone, parse_backbone

TEST_BATCH = 100
TEXTS_AT_EVERY_STEP = ("apex", "clip_adapter")
"""Methods whose official forward pass encodes frozen texts too. KgCoOp's encodes them once."""


def generator(seed: int, purpose: str) -> torch.Generator:
    """The random numbers that our runs draw, see `bench.experiment.runner`."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def batch_of(backbone: Backbone, images: Images, samples: list[Sample], view: View, labels: Tensor | None) -> Batch:
    """Decoded and rendered images, which go through the frozen tower when a method reads their features."""
    how, size = backbone.preprocessing, backbone.image_size
    rendered = []
    for sample in samples:
        image = images.load(sample.key)
        rendered.append(render(image, view_params(images.digest(sample.key), view, image.size), size, how))
    pixels = to_pixels(np.stack(rendered), how.mean, how.std)

    @torch.no_grad()
    def features() -> Tensor:
        return backbone.encode_image(pixels)

    return Batch(labels, features=features, pixels=lambda: pixels, needs=frozenset(get_args(Needs)))


def trained(spec: ExperimentSpec, backbone: Backbone, task: Any) -> Any:
    """The method after its training."""
    cls, support = get_method(spec.method), task.support
    method = cls(backbone, cls.info.config.model_validate(spec.config), generator(spec.seed, "init"))
    labels = torch.tensor(support.labels)
    method.prepare(SupportView(support.classes, labels, spec.shots, _not_read, _not_read))
    if spec.method in TEXTS_AT_EVERY_STEP:
        method = without_memory(method)
    recipe = Recipe.model_validate(spec.recipe)

    def batches(epoch: int) -> Callable[[Tensor], Batch]:
        view = views_for_epoch(recipe, spec.seed, epoch)

        def batch(chosen: Tensor) -> Batch:
            samples = [support.samples[i] for i in chosen.tolist()]
            return batch_of(backbone, support.images, samples, view, labels[chosen])

        return batch

    shuffle = generator(spec.seed, "shuffle")
    fit(method, recipe, n=len(support), shots=spec.shots, batches_of=batches, generator=shuffle)
    return method


@torch.no_grad()
def tested(method: Any, split: Any) -> Tensor:
    """Logits of a test split `(n, n_cls)`."""
    chosen = [split.samples[start : start + TEST_BATCH] for start in range(0, len(split), TEST_BATCH)]
    batches = prefetch(chosen, lambda some: batch_of(method.backbone, split.images, list(some), CENTER_VIEW, None))
    return torch.cat([method.classifier(split.classes)(batch) for batch in batches])


def _not_read(*_: object) -> Tensor:
    raise RuntimeError("these methods do not read the support set's features before training")


def main() -> None:
    """Run the job of a spec file and write the logits of each split."""
    spec_file, out = map(Path, sys.argv[1:])
    spec = ExperimentSpec.model_validate_json(spec_file.read_text(encoding="utf-8"))
    torch.set_num_threads(1)
    loaded = load_backbone(parse_backbone(spec.backbone))
    task = load_task(spec, RunContext())
    method = trained(spec, PlainBackbone(loaded.spec, loaded.model), task)
    save_file({split.name: tested(method, split) for split in task.evals}, out)


if __name__ == "__main__":
    main()
