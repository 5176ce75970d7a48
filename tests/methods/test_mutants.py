"""The kit finds seeded bugs: every mutant fails the check that is meant for it, and every healthy host passes all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.extensions.conformance import CHECKS, CheckOutcome, Subject, run_check, run_checks
from datasets_registry import ClassSet
from methods import METHODS, Batch, Classifier, Method, MethodInfo, Sizes, StreamClassifier, SupportView
from methods.coop import CoOpConfig
from methods.task_res import TaskResConfig

CLIPAdapter: Any = METHODS.get("clip_adapter")
CoOp: Any = METHODS.get("coop")
GDA: Any = METHODS.get("gda")
LinearProbe: Any = METHODS.get("linear_probe")
MMA: Any = METHODS.get("mma")
TaskRes: Any = METHODS.get("task_res")
TDA: Any = METHODS.get("tda")
TipAdapter: Any = METHODS.get("tip_adapter")
TwoStage: Any = METHODS.get("two_stage")

MUTANTS: dict[type[Method[Any]], str] = {}
"""Each seeded bug with the check that must find it."""


def caught_by(check: str) -> Any:
    def add(cls: type[Method[Any]]) -> type[Method[Any]]:
        MUTANTS[cls] = check
        return cls

    return add


@caught_by("runs_are_independent")
class WritesIntoTheBackbone(TaskRes):
    def loss(self, batch: Batch) -> Tensor:
        self.backbone.model.logit_scale.data.add_(0.01)
        return super().loss(batch)


@caught_by("runs_are_independent")
class LeavesTheBackboneInTrainingMode(TaskRes):
    def prepare(self, support: SupportView) -> None:
        self.backbone.model.train()
        super().prepare(support)


@caught_by("images_are_classified_independently")
class ForgetsBetweenBatches(TDA):
    def classifier(self, classes: ClassSet) -> Any:
        found = super().classifier(classes)
        return StreamClassifier(lambda batches: (found(batch) for batch in batches))


@caught_by("only_trainable_is_trained")
class TrainsABackboneParameter(CoOp):
    class Config(CoOpConfig):
        def parameter_count(self, sizes: Sizes) -> int:
            return super().parameter_count(sizes) + sizes.text_width * sizes.embed_dim

    info: ClassVar[MethodInfo] = replace(CoOp.info, config=Config)

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.trainable.projection = self.backbone.text_tower.modules.text_projection


@caught_by("only_trainable_is_trained")
class OptimisesWhatItDoesNotSave(TaskRes):
    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.scale = nn.Parameter(torch.ones(()))

    def parameter_groups(self) -> list[dict[str, Any]]:
        return [*super().parameter_groups(), {"params": [self.scale]}]

    def classifier_rows(self) -> Tensor:
        return self.scale * super().classifier_rows()


@caught_by("a_kept_model_classifies_alike")
class KeepsTheSettingInPlaceOfWhatWasFound(GDA):
    """The tuned model has the weight from before the search."""

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        super().restore_tuned_state(classes, state)
        self.alpha = self.config.alpha


@caught_by("a_kept_model_classifies_alike")
class ForgetsToSaveATensor(CLIPAdapter):
    """Features are centred by a running mean that is not saved."""

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.centre = torch.zeros(self.backbone.embed_dim)

    def loss(self, batch: Batch) -> Tensor:
        self.centre = 0.9 * self.centre + 0.1 * batch.features.mean(dim=0)
        return super().loss(batch)

    def image_features(self, batch: Batch) -> Tensor:
        return super().image_features(batch) - self.centre


@caught_by("declared_inputs_are_read")
class ReadsLabelsAtEvaluation(TaskRes):
    def classifier(self, classes: ClassSet) -> Classifier:
        honest = super().classifier(classes)

        def classify(batch: Batch) -> Tensor:
            try:
                return honest(batch) + 10 * F.one_hot(batch.labels, len(classes))
            except RuntimeError:
                return honest(batch)

        return classify


@caught_by("random_numbers_come_from_its_generator")
class LeavesDropoutOn(CLIPAdapter):
    def image_features(self, batch: Batch) -> Tensor:
        keep = torch.rand(batch.features.shape, generator=self.generator) > 0.1
        return super().image_features(batch) * keep


@caught_by("images_are_classified_independently")
class NormalisesOverTheBatch(CLIPAdapter):
    def image_features(self, batch: Batch) -> Tensor:
        return F.normalize(super().image_features(batch), dim=0)


@caught_by("images_are_classified_independently")
class UpdatesStatisticsAtEvaluation(TipAdapter):
    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.mean = torch.zeros(len(support.classes))

    def classifier(self, classes: ClassSet) -> Classifier:
        plain = super().classifier(classes)

        def classify(batch: Batch) -> Tensor:
            logits = plain(batch)
            self.mean = 0.9 * self.mean + 0.1 * logits[0]
            return logits - self.mean

        return classify


@caught_by("random_numbers_come_from_its_generator")
class IgnoresItsGenerator(CoOp):
    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        drawn = torch.randn(self.trainable.ctx.shape, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            self.trainable.ctx.add_(0.02 * drawn)


@caught_by("random_numbers_come_from_its_generator")
class DrawsFromTheGlobalState(CLIPAdapter):
    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) + 0.01 * torch.rand(())


@caught_by("random_numbers_come_from_its_generator")
class SeedsTheGlobalState(TaskRes):
    def prepare(self, support: SupportView) -> None:
        torch.manual_seed(42)
        super().prepare(support)


@caught_by("stated_facts_hold")
class CountsWrongly(TaskRes):
    class Config(TaskResConfig):
        def parameter_count(self, sizes: Sizes) -> int:
            return 3 * sizes.embed_dim

    info: ClassVar[MethodInfo] = replace(TaskRes.info, config=Config)


@caught_by("it_runs")
class DividesByZero(GDA):
    def classifier(self, classes: ClassSet) -> Classifier:
        plain = super().classifier(classes)
        return lambda batch: plain(batch) / (plain(batch) - plain(batch).amin(dim=1, keepdim=True))


@caught_by("it_runs")
class ReturnsHalfPrecision(LinearProbe):
    def classifier(self, classes: ClassSet) -> Classifier:
        plain = super().classifier(classes)
        return lambda batch: plain(batch).half()


@caught_by("it_runs")
class NeedsTwoShots(TipAdapter):
    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        rows = [support.features()[support.labels == c] for c in range(len(support.classes))]
        spreads = [(row - row.mean(dim=0)).square().sum() / (len(row) - 1) for row in rows]
        self.spread = torch.stack(spreads).mean()

    def classifier(self, classes: ClassSet) -> Classifier:
        plain = super().classifier(classes)
        return lambda batch: plain(batch) / self.spread


@caught_by("images_belong_to_their_labels")
class SwapsClasses(CoOp):
    def train_classifier(self) -> Classifier:
        return super().classifier(self.support_classes)

    def classifier(self, classes: ClassSet) -> Classifier:
        plain = super().classifier(classes)
        return lambda batch: plain(batch).flip(1)


@caught_by("images_belong_to_their_labels")
class ShiftsLabels(GDA):
    def prepare(self, support: SupportView) -> None:
        super().prepare(replace(support, labels=(support.labels + 1) % len(support.classes)))


@caught_by("classes_get_their_own_logits")
class KeepsTheTrainingOrder(TaskRes):
    """Compares class lists as sets, and returns logits in training order."""

    def classifier(self, classes: ClassSet) -> Classifier:
        same = set(classes.names) == set(self.support_classes.names)
        return super().classifier(self.support_classes if same else classes)


@caught_by("classes_get_their_own_logits")
class AlwaysClassifiesTheSupportClasses(CoOp):
    def classifier(self, classes: ClassSet) -> Classifier:
        return super().classifier(self.support_classes)


@caught_by("classes_get_their_own_logits")
class AcceptsUnknownClasses(LinearProbe):
    def classifier(self, classes: ClassSet) -> Classifier:
        return super().classifier(self.support_classes)


@caught_by("training_learns")
class AscendsTheLoss(TaskRes):
    def loss(self, batch: Batch) -> Tensor:
        return -super().loss(batch)

    def backward(self, batch: Batch) -> Tensor:
        loss = -self.loss(batch)
        (-loss).backward()
        return loss


@caught_by("training_learns")
class ClassifiesWithTheStart(TaskRes):
    def train_classifier(self) -> Classifier:
        return super().classifier(self.support_classes)

    def classifier(self, classes: ClassSet) -> Classifier:
        with torch.no_grad():
            trained = self.trainable.vectors.clone()
            self.trainable.vectors.copy_(self.initial_vectors())
            rows = self.classifier_rows().clone()
            self.trainable.vectors.copy_(trained)
        super().classifier(classes)
        scale = self.backbone.logit_scale
        return lambda batch: scale * F.normalize(batch.features, dim=-1) @ F.normalize(rows, dim=-1).T


@caught_by("only_trainable_is_trained")
class HasAnIdleParameter(TaskRes):
    class Config(TaskResConfig):
        def parameter_count(self, sizes: Sizes) -> int:
            return super().parameter_count(sizes) + 1

    info: ClassVar[MethodInfo] = replace(TaskRes.info, config=Config)

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.trainable.idle = nn.Parameter(torch.zeros(1))


@caught_by("runs_are_independent")
class KeepsStateOnTheClass(TipAdapter):
    seen: ClassVar[list[Tensor]] = []

    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.seen.append(support.features().mean())

    def classifier(self, classes: ClassSet) -> Classifier:
        plain, bias = super().classifier(classes), torch.arange(len(classes)) * sum(self.seen)
        return lambda batch: plain(batch) + bias


@caught_by("runs_are_independent")
class NormalisesInPlace(TipAdapter):
    def prepare(self, support: SupportView) -> None:
        features = support.features()
        features /= features.norm(dim=-1, keepdim=True)
        super().prepare(support)


@caught_by("runs_are_independent")
class ChangesTheBatchInPlace(TaskRes):
    def classifier(self, classes: ClassSet) -> Classifier:
        plain = super().classifier(classes)

        def classify(batch: Batch) -> Tensor:
            batch.features.mul_(2.0)
            return plain(batch)

        return classify


@caught_by("it_runs")
class ReadsMoreThanItDeclares(CLIPAdapter):
    info: ClassVar[MethodInfo] = replace(CLIPAdapter.info, needs=frozenset())


@caught_by("declared_inputs_are_read")
class DeclaresUnusedPixels(TaskRes):
    info: ClassVar[MethodInfo] = replace(TaskRes.info, needs=frozenset({"features", "pixels"}))


@caught_by("declared_inputs_are_read")
class ReadsOneBlockTooEarly(MMA):
    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.first_image -= 1


@caught_by("images_belong_to_their_labels")
class IgnoresTheLabels(GDA):
    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        self.weight, self.bias = torch.zeros_like(self.weight), torch.zeros_like(self.bias)


@caught_by("images_belong_to_their_labels")
class WeighsImagesByPosition(GDA):
    def prepare(self, support: SupportView) -> None:
        features = support.features()
        decay = 0.9 ** torch.arange(len(features))[:, None]
        super().prepare(replace(support, views=lambda k, s: support.views(k, s) + decay))


@caught_by("random_numbers_come_from_its_generator")
class DependsOnEarlierRuns(TaskRes):
    runs: ClassVar[list[int]] = []

    def finalise(self) -> None:
        self.runs.append(1)
        with torch.no_grad():
            self.trainable.vectors.mul_(1 + 1e-4 * len(self.runs))


@caught_by("only_trainable_is_trained")
class KeepsTrainingTheNorms(TwoStage):
    def loss(self, batch: Batch) -> Tensor:
        if not self.stage:
            return super().loss(batch)
        logits = self.image_features(batch) @ self.trainable.rows.T
        return F.cross_entropy(logits, batch.labels)


@caught_by("stated_facts_hold")
class DoesNotStartAtTheTexts(TaskRes):
    def initial_vectors(self) -> Tensor:
        return 0.1 * torch.ones_like(self.base)


FIRST_OF_CHECK = {check: method for method, check in reversed(MUTANTS.items())}
CASES = [
    pytest.param(method, id=method.__name__, marks=[] if method is FIRST_OF_CHECK[check] else [pytest.mark.slow])
    for method, check in MUTANTS.items()
]


@pytest.mark.parametrize("method", CASES)
def test_a_seeded_bug_is_found_by_the_check_that_is_meant_for_it(method: type[Method[Any]]) -> None:
    """The healthy methods pass the same checks in `test_conformance.py`."""
    assert run_check(CHECKS[MUTANTS[method]], Subject(method)).outcome is CheckOutcome.FAILED


def test_every_check_of_behaviour_has_a_seeded_bug() -> None:
    assert set(CHECKS) - {"facts_are_complete"} == set(MUTANTS.values())


def test_an_error_of_a_method_is_reported_with_its_place_and_stops_after_an_essential_check() -> None:
    broken = next(method for method in MUTANTS if method.__name__ == "ReadsMoreThanItDeclares")
    *_, last = run_checks(Subject(broken))
    assert last.check == "it_runs"
    assert last.message.startswith("UndeclaredNeedError: Batch.features was read")


def test_a_check_that_does_not_apply_is_skipped_with_the_reason() -> None:
    result = run_check(CHECKS["training_learns"], Subject(GDA))
    assert (result.outcome, result.message) == (CheckOutcome.SKIPPED, "it takes no gradient steps")
