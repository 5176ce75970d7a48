"""The check of tuned models: the stored tensors must be sufficient to classify in another process."""

from typing import Any

import safetensors.torch
import torch

from bench.conformance.check import check, ensure_equal
from bench.conformance.subject import OTHER_CLASSES, TASK, Subject, tiny_backbone
from methods import Method, SupportImagesError


def cannot_be_kept(subject: Subject) -> str | None:
    """Exempts a method that reads images in `prepare` and does not define how it is restored."""
    try:
        _loaded(subject, subject.finished)
    except SupportImagesError:
        return "it reads images in `prepare` and defines no `restore_tuned_state`, so --keep-models cannot keep it"
    return None


@check(
    "Put everything that `classifier` uses into `tuned_state`, and set all of it in `restore_tuned_state`.",
    exempt=cannot_be_kept,
)
def a_kept_model_classifies_alike(subject: Subject) -> None:
    """A new instance on a new backbone gives the same logits from the stored tensors, without any image."""
    method = subject.finished
    other = _loaded(subject, method)
    for classes in (TASK.classes, OTHER_CLASSES) if subject.is_open else (TASK.classes,):
        found, expected = (subject.evaluation_logits(each, classes) for each in (other, method))
        ensure_equal(found, expected, f"logits of a restored tuned model for {len(classes)} classes")


def _loaded(subject: Subject, method: Method[Any]) -> Method[Any]:
    """Another instance with the stored state, written to and read from safetensors."""
    state = {name: value.detach().contiguous() for name, value in method.tuned_state().items()}
    content = safetensors.torch.load(safetensors.torch.save(state))
    other = subject.method(tiny_backbone(), subject.config, torch.Generator().manual_seed(5))
    with torch.no_grad():
        other.restore_tuned_state(TASK.classes, content)
    return other
