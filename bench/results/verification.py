"""Compares a stored run with a repetition: bit-identical, or how and why they differ. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from bench.errors import UsageError
from bench.record import Predictions, Provenance, RunRecord, RunStatus
from bench.results.predictions import pack_predictions
from bench.results.recomputed_scores import contradiction
from bench.results.shards import Shard


class RepetitionOutcome(StrEnum):
    """How a repetition compares with the stored run."""

    IDENTICAL = "identical"
    """Every stored bit of every prediction, and every score, is the same."""
    ROUNDING = "rounding"
    """Every image has the same prediction, and logits differ in their last digits."""
    DIFFERENT = "different"
    """Some image has another prediction, or a split is missing."""
    INVALID = "invalid"
    """The stored run cannot come from its data: it has other test images or true labels, or contradictory columns."""


@dataclass(frozen=True)
class RepetitionVerdict:
    """The result of repeating a stored run.

    Args:
        compared: number of images that both predicted, in the same order.
        flips: number of these images with different predictions.
        largest_logit_difference: maximum over the logits of the predicted class; 0 if nothing was compared.
        causes: facts about code and environment that differ, which may explain it, by name: then and now.
        faults: why the stored run is invalid, one sentence each.
    """

    run_id: str
    outcome: RepetitionOutcome
    compared: int
    flips: int
    largest_logit_difference: float
    causes: Mapping[str, tuple[object, object]]
    faults: tuple[str, ...] = ()


def check_verifiable(stored: RunRecord) -> None:
    """Raise UsageError for a failed run, which has no predictions to compare, and for a run of other code."""
    if stored.status is RunStatus.FAILED:
        raise UsageError(
            f"Run {stored.run_id} failed, so it has no predictions to compare; run its command again instead."
        )
    if external := stored.provenance.external:
        raise UsageError(
            f"Run {stored.run_id} has predictions of {external.title}, whose code is not part of this harness, so it "
            "cannot be repeated. Its scores were computed from its predictions."
        )


def judge_repetition(stored: Shard, record: RunRecord, predictions: Sequence[Predictions]) -> RepetitionVerdict:
    """Compare a stored run with a repetition; raises UsageError if specs differ, or the stored run failed."""
    check_verifiable(stored.record)
    if stored.record.run_id != record.run_id:
        raise UsageError(
            f"Runs {stored.record.run_id} and {record.run_id} have different specs; give two records of one run."
        )
    images = sum(len(item.images) for item in stored.predictions)
    now = {item.split: item for item in predictions}
    pairs = [(item, now[item.split]) for item in stored.predictions if item.split in now]
    pairs = [(then, repeated) for then, repeated in pairs if then.images == repeated.images]
    compared = sum(len(then.images) for then, _ in pairs)
    flips = sum(int((then.predicted != repeated.predicted).sum()) for then, repeated in pairs)
    same_bits = _required(stored.predictions) == _required(predictions)
    wrong = contradiction(stored.record, stored.predictions)
    faults = (*([wrong] if wrong else []), *_other_data(stored.predictions, predictions))
    if faults:
        outcome = RepetitionOutcome.INVALID
    elif same_bits and (stored.record.scores, stored.record.open) == (record.scores, record.open):
        outcome = RepetitionOutcome.IDENTICAL
    elif flips or compared != images or compared != sum(len(item.images) for item in predictions):
        outcome = RepetitionOutcome.DIFFERENT
    else:
        outcome = RepetitionOutcome.ROUNDING
    return RepetitionVerdict(
        record.run_id,
        outcome,
        compared,
        flips,
        max((_largest_difference(*pair) for pair in pairs), default=0.0),
        _causes(stored.record.provenance, record.provenance),
        faults,
    )


def _required(predictions: Sequence[Predictions]) -> bytes:
    """The bytes of the columns that every run has."""
    return pack_predictions([replace(item, group=None) for item in predictions])


def _other_data(stored: Sequence[Predictions], repeated: Sequence[Predictions]) -> Iterator[str]:
    """How the test images and true labels of a stored run differ from those of its repetition on the same task."""
    other = {item.split: item for item in repeated}
    for item in stored:
        now = other.get(item.split)
        if now is None:
            continue
        if item.images != now.images:
            yield f"{item.split}: its test images are not those of the data"
        elif wrong := int((item.label != now.label).sum()):
            yield f"{item.split}: the true labels of {wrong} of {len(item.images)} images are not those of the data"
        elif item.group is not None and (now.group is None or not np.array_equal(item.group, now.group)):
            yield f"{item.split}: the groups of its images are not those of the data"


def _largest_difference(then: Predictions, repeated: Predictions) -> float:
    gaps = np.abs(then.top_logits[:, 0].astype(np.float64) - repeated.top_logits[:, 0])
    return float(gaps.max(initial=0.0))


_CAUSES = (
    "method_version", "method_digest", "package_version", "git_commit", "git_dirty", "python", "platform", "device",
    "threads",
)  # fmt: skip


def _causes(then: Provenance, repeated: Provenance) -> dict[str, tuple[object, object]]:
    facts = [
        {name: getattr(provenance, name) for name in _CAUSES} | provenance.packages for provenance in (then, repeated)
    ]
    pairs = {name: (facts[0].get(name), facts[1].get(name)) for name in dict.fromkeys([*facts[0], *facts[1]])}
    if None in pairs["method_digest"]:  # only methods of other packages need one
        del pairs["method_digest"]
    return {name: (stored, now) for name, (stored, now) in pairs.items() if stored != now}
