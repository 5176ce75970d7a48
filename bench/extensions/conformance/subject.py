"""A method under test: a tiny random CLIP, a few separable images, and the method prepared and trained on them."""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, get_args

import torch
from torch import Tensor

from bench.experiment import fit, make_optimizer, train_step
from datasets_registry import ClassSet
from methods import (
    Backbone,
    BackboneSpec,
    Batch,
    Method,
    MethodConfig,
    Needs,
    Recipe,
    SupportView,
    Teacher,
    TrainableMethod,
    load_backbone,
    returned,
)

TEMPLATE = "a photo of a {}."
EPOCHS, BATCH, FULL_STEPS, RATE_FACTOR = 4, 8, 30, 0.2


_NOT_OF_METHODS = ("/bench/", "/torch/", functools.__file__, "<frozen ")
"""Parts of the file names of code that calls methods."""


def author_place(frames: Iterable[tuple[str, int]], author: str) -> str:
    """The innermost line of the author's file as ` (FILE:LINE)`, or else of other code of methods; empty if none.

    Args:
        frames: file and line of each call, the innermost last.
        author: the file of the method.

    Example:
        >>> author_place([("/bench/run.py", 5), ("/lab/mine.py", 12), ("/methods/_base/batch.py", 100)], "/lab/mine.py")
        ' (/lab/mine.py:12)'
    """
    calls = list(frames)
    of_methods = [call for call in calls if not any(part in call[0] for part in _NOT_OF_METHODS)]
    chosen = [call for call in calls if call[0] == author] or of_methods
    return f" ({chosen[-1][0]}:{chosen[-1][1]})" if chosen else ""


@dataclass(frozen=True)
class ToyTask:
    """A small separable task: one fixed pattern per class with a little noise.

    Args:
        shots: images per class.
        seed: of the noise, not of the patterns.
        shift: added to the labels, modulo the number of classes.
    """

    classes: ClassSet
    shots: int
    seed: int = 0
    shift: int = 0

    @cached_property
    def labels(self) -> Tensor:
        """Class indices `(n,)`."""
        return (self._classes_of_images + self.shift) % len(self.classes)

    @cached_property
    def pixels(self) -> Tensor:
        """Images `(n, 3, 32, 32)`."""
        patterns = torch.randn(len(self.classes), 3, 32, 32, generator=torch.Generator().manual_seed(7))
        noise = torch.randn(len(self.labels), 3, 32, 32, generator=torch.Generator().manual_seed(self.seed))
        return patterns[self._classes_of_images] + 0.3 * noise

    @property
    def _classes_of_images(self) -> Tensor:
        return torch.arange(len(self.classes)).repeat_interleave(self.shots)

    @cached_property
    def values(self) -> Mapping[Needs, Tensor]:
        """All inputs that a method may read for these images, except hidden states."""
        backbone = _reference_backbone()
        noise = torch.randn(self.pixels.shape, generator=torch.Generator().manual_seed(self.seed + 1))
        with torch.no_grad():
            features, pooled = (backbone.encode_image(self.pixels, project=project) for project in (True, False))
            other = backbone.encode_image(self.pixels + 0.1 * noise)
        return {"features": features, "pooled": pooled, "pixels": self.pixels, "other_view": other}


TASK = ToyTask(ClassSet(("cat", "dog", "bird"), TEMPLATE), shots=8)
SHIFTED_TASK = replace(TASK, shift=1)
OTHER_TASK = ToyTask(ClassSet(("tree", "house"), TEMPLATE), shots=4, seed=3)
OTHER_CLASSES = OTHER_TASK.classes
"""Classes that a method trained on `TASK` has not seen."""


def tiny_backbone() -> Backbone:
    """A new CLIP with three small blocks per tower; random, but equal on every machine."""
    return load_backbone(BackboneSpec("ViT-tiny", "random"))


@lru_cache(maxsize=1)
def _reference_backbone() -> Backbone:
    """The same CLIP, never given to a method under test."""
    return tiny_backbone()


@lru_cache(maxsize=8)
def _hidden(task: ToyTask, first: int) -> Tensor:
    """Hidden states of a task's images before a block."""
    return _reference_backbone().image_hidden(task.pixels, first)


def tiny_teacher(backbone: Backbone, classes: ClassSet, device: torch.device) -> Teacher:
    """A tiny CLIP as a teacher; its features are repeated until they are as wide as those of ViT-L/14."""

    def wide(features: Tensor) -> Tensor:
        return features.detach().repeat(1, 768 // features.shape[1]).to(device)

    return Teacher(
        lambda pixels: wide(backbone.encode_image(pixels.to(backbone.device))),
        lambda others: wide(backbone.encode_texts(others.texts())),
        backbone.logit_scale,
        classes,
    )


@lru_cache(maxsize=8)
def _pool(task: ToyTask) -> Tensor:
    """Features of as many other images of a task, in an order that says nothing about their classes."""
    order = torch.randperm(len(task.labels), generator=torch.Generator().manual_seed(task.seed))
    return replace(task, seed=task.seed + 9).values["features"][order]


def _shifted(features: Callable[[], Tensor], k: int, _: tuple[float, float], mixed: bool = False) -> Tensor:  # noqa: ARG001
    """Features of k views, `(k, n, dim)`, each a little different from the previous one."""
    return torch.stack([features() * (1 + 0.01 * i) + 0.01 * i for i in range(k)])


class _RecordingBatch(Batch):
    """A batch that records which inputs are read, even if reading raises."""

    def __init__(self, subject: Subject, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._subject = subject

    def _get(self, need: Needs) -> Tensor:
        self._subject.read.add(need)
        return super()._get(need)

    def load(self, need: Needs) -> Batch:
        """Load without recording, since the harness loads, not the method."""
        super()._get(need)
        return self

    def hidden(self, first: int) -> Tensor:
        self._subject.read.add("hidden")
        self._subject.hidden_blocks_read.add(first)
        return super().hidden(first)

    def test_views(self, k: int, crop_scale: tuple[float, float], *, mixed: bool) -> Tensor:
        self._subject.read.add("test_views")
        return super().test_views(k, crop_scale, mixed=mixed)

    @property
    def labels(self) -> Tensor:
        if self._labels is None:
            frames = traceback.extract_stack()
            place = author_place(((frame.filename, frame.lineno or 0) for frame in frames), self._subject.file)
            self._subject.labels_read = place
        return super().labels


class Subject:
    """One method with one configuration, built as often as the checks need it.

    Args:
        method: the class; it need not be registered.
        config: its settings; the published ones by default.
        backbone: a new tiny CLIP by default.

    Attributes:
        backbone: of this subject only, so that a method that damages it affects no other.
        weights: of the backbone before any method has used it.
        read: needs that were read so far.
        hidden_blocks_read: blocks before which hidden states were read.
        labels_read: the place in the method's file where labels were read at evaluation; None if they were not.
        handed_out: name, tensor and unchanged copy of everything that the method got while `finished` was made.
    """

    def __init__(
        self, method: type[Method[Any]], config: MethodConfig | None = None, *, backbone: Backbone | None = None
    ) -> None:
        self.method, self.info, self.backbone = method, method.info, backbone or tiny_backbone()
        self.weights = {name: value.clone() for name, value in self.backbone.model.state_dict().items()}
        self.protocol = self.info.usual_protocol
        self._config = config
        self.read: set[Needs] = set()
        self.hidden_blocks_read: set[int] = set()
        self.labels_read: str | None = None
        self._watching = False
        self._overfitted: dict[ToyTask, tuple[TrainableMethod[Any], list[list[float]]]] = {}
        self.handed_out: list[tuple[str, Tensor, Tensor]] = []

    @cached_property
    def config(self) -> MethodConfig:
        """The settings under test."""
        return self._config or self.info.default_config(self.protocol)

    @property
    def file(self) -> str:
        """The file of the class; empty if it has none."""
        try:
            return inspect.getsourcefile(self.method) or ""
        except TypeError:  # defined in an interactive session
            return ""

    @property
    def is_trained(self) -> bool:
        """Whether it takes gradient steps."""
        return issubclass(self.method, TrainableMethod)

    @property
    def is_open(self) -> bool:
        """Whether these settings can classify classes they were not trained on."""
        return self.info.is_open(self.config)

    @property
    def recipe(self) -> Recipe:
        """The published recipe, shortened."""
        published = self.info.recipes.get(self.protocol) or next(iter(self.info.recipes.values()))
        full = {"epochs_by_shots": {}, "steps": 0, "steps_per_shot": 0}
        return published.model_copy(update={"epochs": EPOCHS, "batch_size": BATCH, **full})

    def built(self, seed: int = 0) -> Method[Any]:
        """A new instance with a generator of that seed."""
        return self.method(self.backbone, self.config, torch.Generator().manual_seed(seed))

    def prepared(self, task: ToyTask = TASK, *, seed: int = 0, order: Tensor | None = None) -> Method[Any]:
        """A new instance, prepared with a task's images in that order."""
        method = self.built(seed)
        method.prepare(self.support(task, order))
        method.check_prepared()
        return method

    def fitted(self, method: Method[Any], task: ToyTask = TASK) -> Method[Any]:
        """That instance, trained briefly as the runner does, and calibrated if it needs validation."""
        if isinstance(method, TrainableMethod):
            fit(
                method,
                self.recipe,
                n=len(task.labels),
                shots=task.shots,
                batches_of=lambda _: lambda index: self.batch(task, index, labelled=True),
                generator=torch.Generator().manual_seed(0),
            )
        if method.info.needs_validation:
            method.calibrate(self.support(replace(task, seed=task.seed + 5)))
        return method

    def trained(self, task: ToyTask = TASK, *, seed: int = 0) -> Method[Any]:
        """A new instance, prepared and trained."""
        return self.fitted(self.prepared(task, seed=seed), task)

    @cached_property
    def finished(self) -> Method[Any]:
        """One trained instance for all checks that only classify; its inputs are recorded in `handed_out`."""
        self._watching = True
        try:
            method = self.trained()
            self.evaluation_logits(method)
        finally:
            self._watching = False
        return method

    def overfitted(self, task: ToyTask = TASK) -> tuple[TrainableMethod[Any], list[list[float]]]:
        """One instance per task, trained on full batches at a low rate, at which a loss of the right sign must fall.

        Returns the instance, and for each stage the loss before each of its steps.
        """
        if task not in self._overfitted:
            method = self.prepared(task)
            assert isinstance(method, TrainableMethod)  # only used for trained methods
            gentle = self.recipe.model_copy(update={"lr": self.recipe.lr * RATE_FACTOR})
            losses = [
                [train_step(method, self.batch(task, labelled=True), optimizer) for _ in range(FULL_STEPS)]
                for optimizer in self.stages(method, gentle)
            ]
            method.on_epoch_end(0, 1)
            method.finalise()
            self._overfitted[task] = method, losses
        return self._overfitted[task]

    def stages(self, method: TrainableMethod[Any], recipe: Recipe | None = None) -> Iterator[torch.optim.Optimizer]:
        """Begins each of its stages and yields the stage's optimiser."""
        for stage in range(len(method.stages())):
            method.begin_stage(stage)
            yield make_optimizer(recipe or self.recipe, method.parameter_groups())

    def evaluation_logits(
        self, method: Method[Any], classes: ClassSet = TASK.classes, index: Tensor | slice = slice(None)
    ) -> Tensor:
        """Logits of the task's images, computed as in evaluation."""
        with torch.no_grad():
            classify = returned(type(method).classifier, method.classifier(classes))
            return returned(classify, classify(self.batch(index=index)))

    def batch(self, task: ToyTask = TASK, index: Tensor | slice = slice(None), *, labelled: bool = False) -> Batch:
        """Some of a task's images, with labels only in training."""
        sources = {
            need: functools.cache(functools.partial(self._hand_out, task, need, index)) for need in get_args(Needs)
        }
        labels = task.labels[index]
        if self.info.trains_on_pool:
            self.read.add("unlabelled_batches")
            labels = torch.full_like(labels, -1)
        return _RecordingBatch(
            self,
            self._copy_for_method(labels, "labels") if labelled else None,
            label_numbers=labels.tolist() if labelled else None,
            features=sources["features"],
            pooled=sources["pooled"],
            pixels=sources["pixels"],
            hidden=lambda first: self._copy_for_method(_hidden(task, first)[index], "hidden"),
            test_views=None if labelled else functools.partial(_shifted, sources["features"]),
            other_view=sources["other_view"] if labelled else None,
            needs=self.info.needs,
        )

    def support(self, task: ToyTask = TASK, order: Tensor | None = None) -> SupportView:
        """A task's images as `prepare` and `calibrate` see them; each view differs a little from the previous one."""
        index = slice(None) if order is None else order
        features = functools.cache(functools.partial(self._hand_out, task, "features", index))

        labels = self._copy_for_method(task.labels[index], "support labels")
        view = SupportView(task.classes, labels, task.shots, features, functools.partial(_shifted, features))
        if self.info.needs_teacher:
            teacher = tiny_teacher(_reference_backbone(), task.classes, self.backbone.device)

            def read_teacher() -> Teacher:
                self.read.add("teacher")
                return teacher

            view = replace(view, teacher=read_teacher)
        if "unlabelled" not in self.info.needs:
            return view
        pool = _pool(task)  # made here, so that no random number is drawn while the method runs

        def unlabelled() -> Tensor:
            self.read.add("unlabelled")
            return self._copy_for_method(pool, "unlabelled")

        return replace(view, unlabelled=unlabelled)

    def _hand_out(self, task: ToyTask, need: Needs, index: Tensor | slice) -> Tensor:
        return self._copy_for_method(task.values[need][index], str(need))

    def _copy_for_method(self, pristine: Tensor, what: str) -> Tensor:
        handed_out = pristine.clone()
        if self._watching:
            self.handed_out.append((what, handed_out, pristine.clone()))
        return handed_out
