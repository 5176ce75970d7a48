"""The base class of methods that learn by gradient steps."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from datasets_registry import ClassSet
from methods._base.batch import Batch, Classifier
from methods._base.method import ConfigT, Method, MethodError, checked_logits, code_place, returned
from methods._base.recipe import Recipe


class TrainableMethod(Method[ConfigT]):
    """A method that learns by minibatch gradient steps on its own parameters."""

    trainable: nn.Module
    """All learned tensors, which are counted, optimised and saved; no backbone parameters. Exists after `prepare`."""

    @property
    def draws_on_device(self) -> bool:
        """Whether training uses the device's own random generator, so that results differ between kinds of device."""
        return False

    def check_prepared(self) -> None:
        super().check_prepared()
        if not isinstance(trainable := getattr(self, "trainable", None), nn.Module):
            place = code_place(type(self).prepare)
            raise MethodError(
                f"{self.info.name}: after prepare ({place}), `self.trainable` is "
                f"{'not set' if trainable is None else type(trainable).__name__}; make it an nn.Module with all "
                "learned tensors, such as nn.ParameterDict."
            )

    def learned_parameters(self) -> int:
        """Number of parameters of `trainable`."""
        return count_parameters(self.trainable)

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        """Training loss of one batch. Default: the sum of `loss_terms`."""
        classification, penalty = self.loss_terms(batch)
        return classification if penalty is None else classification + penalty

    def loss_terms(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, ""] | None]:
        """The loss of the classification, by default the cross-entropy of the logits, and the sum of the penalties."""
        classify = self.train_classifier()
        logits = returned(classify, classify(batch))
        checked_logits(self, logits, len(batch.labels), len(self.support_classes))
        return F.cross_entropy(logits, batch.labels), None

    def stages(self) -> tuple[float, ...]:
        """Lengths of the training stages as shares of their recipes; each has its own optimiser and schedule.

        They need not add up to 1. Default: one stage, the whole recipe.
        """
        return (1.0,)

    def stage_recipe(self, stage: int, recipe: Recipe) -> Recipe:  # noqa: ARG002
        """The recipe of a stage (0-based), from that of the run. Default: the same."""
        return recipe

    def begin_stage(self, stage: int) -> None:
        """Called before each stage (0-based), and before its `parameter_groups`.

        When training is resumed, its stage begins again and its tensors are restored afterwards.
        """

    def interpolated_parameters(self) -> Iterable[nn.Parameter]:
        """Parameters that WiSE-FT interpolates between initial and trained values. Default: all.

        Empty for a method that has this average as a setting.
        """
        return self.trainable.parameters()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Optimiser groups of the stage. Default: everything in one.

        A group's `lr_scale` multiplies the recipe's `lr`. It does not multiply `warmup_lr` and `min_lr`.
        """
        return [{"params": list(self.trainable.parameters())}]

    def arrange(self, batches: Sequence[Tensor]) -> Iterable[Tensor]:
        """The batches of an epoch, as positions in the support set; `batches` are the usual ones, in random order.

        Called before each epoch. If the length or the schedule of the recipe is in steps, at most as many batches are
        used as are given.
        """
        return batches

    def before_step(self) -> None:
        """Called before each step."""

    def backward(self, batch: Batch) -> Tensor:
        """Compute the step's gradients of `trainable` and return the loss; for methods that modify gradients.

        Raises MethodError for a loss that depends on no tensor of `trainable`.
        """
        loss = self.loss(batch)
        if not loss.requires_grad:
            functions = (type(self).loss, type(self).loss_terms, type(self).classifier)
            overridden = next(function for function in functions if function.__module__ != __name__)
            raise MethodError(
                f"{self.info.name}: no tensor of `trainable` reaches the loss of {code_place(overridden)}; look for "
                "detach(), .data, .item() or no_grad()."
            )
        torch.autograd.backward(loss, torch.ones_like(loss))
        return loss

    def on_epoch_end(self, epoch: int, epochs: int) -> None:
        """Called after each epoch (0-based, over all stages), for example to average parameters."""

    def training_state(self) -> dict[str, Tensor]:
        """The state that changes in training besides `trainable` and `generator`, so that training can be resumed."""
        return {}

    def restore_training_state(self, state: dict[str, Tensor]) -> None:
        """The inverse of `training_state`; called on a freshly prepared method."""

    def finalise(self) -> None:
        """Called after the last epoch, before evaluation.

        With a choice of the epoch, it is called for each candidate, with `trainable` restored to the end of that epoch.
        """

    def tuned_state(self) -> dict[str, Tensor]:
        """The state of `trainable`."""
        return dict(self.trainable.state_dict())

    def restore_tuned_state(self, classes: ClassSet, state: dict[str, Tensor]) -> None:
        super().restore_tuned_state(classes, state)
        self.trainable.load_state_dict(state)

    def train_classifier(self) -> Classifier:
        """The classifier for the training loss, built again in every step. Default: the classifier of evaluation."""
        return returned(type(self).classifier, self.classifier(self.support_classes))


def count_parameters(module: nn.Module) -> int:
    """Number of trainable values of a module."""
    return sum(p.numel() for p in module.parameters())
