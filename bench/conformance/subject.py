"""A method under test: a tiny random CLIP, a few separable images, and the method prepared and trained on them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from bench.experiment.training_loop import fit, make_optimizer, train_step
from datasets_registry import ClassSet, EvalProtocol
from methods import (
    Backbone,
    BackboneSpec,
    Batch,
    Method,
    MethodConfig,
    Needs,
    Recipe,
    SupportView,
    TrainableMethod,
    load_backbone,
)

TEMPLATE = "a photo of a {}."
EPOCHS, BATCH, FULL_STEPS, GENTLE = 4, 8, 30, 0.2


@dataclass(frozen=True)
class World:
    """A small task: one fixed pattern a class with a little noise, so that it can be learned.

    Args:
        classes: what the images show.
        shots: images per class.
        seed: of the noise; the patterns stay.
        turn: by how much the labels are shifted against the patterns.
    """

    classes: ClassSet
    shots: int
    seed: int = 0
    turn: int = 0

    @cached_property
    def labels(self) -> Tensor:
        """Class indices `(n,)`."""
        return (self._shown + self.turn) % len(self.classes)

    @cached_property
    def pixels(self) -> Tensor:
        """Images `(n, 3, 32, 32)`."""
        patterns = torch.randn(len(self.classes), 3, 32, 32, generator=torch.Generator().manual_seed(7))
        noise = torch.randn(len(self.labels), 3, 32, 32, generator=torch.Generator().manual_seed(self.seed))
        return patterns[self._shown] + 0.3 * noise

    @property
    def _shown(self) -> Tensor:
        return torch.arange(len(self.classes)).repeat_interleave(self.shots)

    @cached_property
    def values(self) -> Mapping[Needs, Tensor]:
        """All that a method may read of these images."""
        backbone = _reference_backbone()
        noise = torch.randn(self.pixels.shape, generator=torch.Generator().manual_seed(self.seed + 1))
        with torch.no_grad():
            features, pooled = (backbone.encode_image(self.pixels, project=project) for project in (True, False))
            other = backbone.encode_image(self.pixels + 0.1 * noise)
        return {
            Needs.FEATURES: features,
            Needs.POOLED: pooled,
            Needs.PIXELS: self.pixels,
            Needs.OTHER_VIEW: other,
        }


WORLD = World(ClassSet(("cat", "dog", "bird"), TEMPLATE), shots=8)
TURNED = replace(WORLD, turn=1)
ANOTHER = World(ClassSet(("tree", "house"), TEMPLATE), shots=4, seed=3)
OTHERS = ANOTHER.classes
"""Classes that a method trained on `WORLD` has not seen."""


def tiny_backbone() -> Backbone:
    """A new CLIP of three small blocks a tower, random but equal on every machine."""
    return load_backbone(BackboneSpec("ViT-tiny", "random"))


@lru_cache(maxsize=1)
def _reference_backbone() -> Backbone:
    """The same, kept away from the methods under test."""
    return tiny_backbone()


@lru_cache(maxsize=8)
def _hidden(world: World, first: int) -> Tensor:
    """Hidden states of all of a world's images before a block."""
    return _reference_backbone().image_hidden(world.pixels, first)


class _Watched(Batch):
    """A batch that notes what is read of it, even where reading is refused."""

    def __init__(self, subject: Subject, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._subject = subject

    def _get(self, need: Needs) -> Tensor:
        self._subject.read.add(need)
        return super()._get(need)

    def load(self, need: Needs) -> Batch:
        """Loading ahead of use is the harness's doing, not the method's."""
        super()._get(need)
        return self

    def hidden(self, first: int) -> Tensor:
        self._subject.read.add(Needs.HIDDEN)
        self._subject.read_before.add(first)
        return super().hidden(first)

    @property
    def labels(self) -> Tensor:
        if self._labels is None:
            self._subject.peeked = True
        return super().labels


@dataclass(frozen=True)
class Fitted:
    """A trained instance and, stage by stage, the loss before each of its steps."""

    method: TrainableMethod[Any]
    losses: list[list[float]]


class Subject:
    """One method with one configuration, to be built as often as the checks need it.

    Args:
        method: the class; it need not be registered.
        config: its settings; by default the published ones.

    Attributes:
        backbone: its own, so that a method that damages it harms nobody else.
        weights: what the backbone holds before any method has seen it.
        read: what of images was read so far.
        read_before: the blocks before which hidden states were read.
        peeked: whether labels were asked for at evaluation.
        lent: name, tensor and untouched copy of everything that was handed out while `finished` was made.
    """

    def __init__(self, method: type[Method[Any]], config: MethodConfig | None = None) -> None:
        self.method, self.info, self.backbone = method, method.info, tiny_backbone()
        self.weights = {name: value.clone() for name, value in self.backbone.model.state_dict().items()}
        # a method tied to its classes has no business in base-to-new
        self.protocol = EvalProtocol.BASE_TO_NEW if self.info.open_vocabulary else EvalProtocol.FEW_SHOT
        self._config = config
        self.read: set[Needs] = set()
        self.read_before: set[int] = set()
        self.peeked = False
        self._watching = False
        self._overfitted: dict[World, Fitted] = {}
        self.lent: list[tuple[str, Tensor, Tensor]] = []

    @cached_property
    def config(self) -> MethodConfig:
        """The settings under test."""
        return self._config or self.info.default_config(self.protocol)

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

    def prepared(self, world: World = WORLD, *, seed: int = 0, order: Tensor | None = None) -> Method[Any]:
        """A new instance that has seen a world's images, in that order."""
        method = self.built(seed)
        method.prepare(self.support(world, order))
        return method

    def fitted(self, method: Method[Any], world: World = WORLD) -> Method[Any]:
        """That instance trained as the runner does it, briefly, and calibrated if it asks for it."""
        if isinstance(method, TrainableMethod):
            fit(
                method,
                self.recipe,
                n=len(world.labels),
                shots=world.shots,
                batches_of=lambda _: lambda index: self.batch(world, index, labelled=True),
                generator=torch.Generator().manual_seed(0),
            )
        if method.info.needs_validation:
            method.calibrate(self.support(replace(world, seed=world.seed + 5)))
        return method

    def trained(self, world: World = WORLD, *, seed: int = 0) -> Method[Any]:
        """A new instance, prepared and trained."""
        return self.fitted(self.prepared(world, seed=seed), world)

    @cached_property
    def finished(self) -> Method[Any]:
        """One trained instance for all the checks that only ask it; what was handed out to make it is in `lent`."""
        self._watching = True
        try:
            method = self.trained()
            self.logits(method)
            return method
        finally:
            self._watching = False

    def overfitted(self, world: World = WORLD) -> Fitted:
        """One instance a world, trained on all images at once at a rate at which a loss of the right sign must fall."""
        if world not in self._overfitted:
            method = self.prepared(world)
            assert isinstance(method, TrainableMethod)  # only trained methods are asked
            gentle = self.recipe.model_copy(update={"lr": self.recipe.lr * GENTLE})
            losses = [
                [train_step(method, self.batch(world, labelled=True), optimizer) for _ in range(FULL_STEPS)]
                for optimizer in self.stages(method, gentle)
            ]
            method.on_epoch_end(0, 1)
            method.finalise()
            self._overfitted[world] = Fitted(method, losses)
        return self._overfitted[world]

    def stages(self, method: TrainableMethod[Any], recipe: Recipe | None = None) -> Iterator[torch.optim.Optimizer]:
        """The optimiser of each of its stages, the stage begun."""
        for stage in range(len(method.stages())):
            method.begin_stage(stage)
            yield make_optimizer(recipe or self.recipe, method.parameter_groups())

    def logits(
        self, method: Method[Any], classes: ClassSet = WORLD.classes, index: Tensor | slice = slice(None)
    ) -> Tensor:
        """Logits of the world's images, asked as evaluation asks."""
        with torch.no_grad():
            return method.classifier(classes)(self.batch(index=index))

    def batch(self, world: World = WORLD, index: Tensor | slice = slice(None), *, labelled: bool = False) -> Batch:
        """Some of a world's images; labels only in training."""
        sources = {need: functools.cache(functools.partial(self._lend, world, need, index)) for need in Needs}
        return _Watched(
            self,
            self._handed(world.labels[index], "labels") if labelled else None,
            features=sources[Needs.FEATURES],
            pooled=sources[Needs.POOLED],
            pixels=sources[Needs.PIXELS],
            hidden=lambda first: self._handed(_hidden(world, first)[index], "hidden"),
            other_view=sources[Needs.OTHER_VIEW] if labelled else None,
            needs=self.info.needs,
        )

    def support(self, world: World = WORLD, order: Tensor | None = None) -> SupportView:
        """A world's images as `prepare` and `calibrate` see them; each view differs a little from the one before."""
        index = slice(None) if order is None else order
        features = functools.cache(functools.partial(self._lend, world, Needs.FEATURES, index))

        def views(k: int, _: tuple[float, float]) -> Tensor:
            return torch.stack([features() * (1 + 0.01 * i) + 0.01 * i for i in range(k)])

        labels = self._handed(world.labels[index], "support labels")
        return SupportView(world.classes, labels, world.shots, features, views)

    def _lend(self, world: World, need: Needs, index: Tensor | slice) -> Tensor:
        return self._handed(world.values[need][index], str(need))

    def _handed(self, pristine: Tensor, what: str) -> Tensor:
        lent = pristine.clone()
        if self._watching:
            self.lent.append((what, lent, pristine.clone()))
        return lent
