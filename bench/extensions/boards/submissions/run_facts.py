"""The facts of a run for comparisons with others, without its predictions: digests of its record and true labels."""

import hashlib
from collections.abc import Iterator

import numpy as np
from pydantic import BaseModel, ConfigDict

from bench.record import Predictions
from bench.results import Shard
from datasets_registry import canonical_json

_DIGITS = 20


class SplitFacts(BaseModel):
    """One split of a run.

    Args:
        truth: digest of the images and their labels, in the order of the images' keys.
        images: digest of the keys alone.
    """

    model_config = ConfigDict(frozen=True)

    truth: str
    images: str


class RunFacts(BaseModel):
    """One run of a submission; `record` is the digest of its whole record."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    method: str
    dataset: str
    protocol: str
    seed: int
    task: str
    record: str
    splits: dict[str, SplitFacts]

    @property
    def label(self) -> str:
        """A short description for messages."""
        return f"run {self.run_id} ({self.method} on {self.dataset}, seed {self.seed})"

    def truths(self) -> Iterator[tuple[str, tuple[str, ...], str]]:
        """Each split with two keys under which all runs have the same true labels, and the digest of these.

        The keys are the task, and the images of the dataset.
        """
        for split, found in self.splits.items():
            yield split, (self.task, split), found.truth
            yield split, (self.dataset, self.protocol, split, found.images), found.truth


def run_facts(shard: Shard) -> RunFacts:
    """The facts of a completed run."""
    record, spec = shard.record, shard.record.spec
    return RunFacts(
        run_id=record.run_id,
        method=spec.method,
        dataset=spec.dataset,
        protocol=str(spec.protocol),
        seed=spec.seed,
        task=spec.task_fingerprint,
        record=_digest(canonical_json(record.model_dump(mode="json")).encode()),
        splits={item.split: _split_facts(item) for item in shard.predictions},
    )


def _split_facts(item: Predictions) -> SplitFacts:
    order = sorted(range(len(item.images)), key=item.images.__getitem__)
    images = _digest("\n".join(item.images[place] for place in order).encode())
    return SplitFacts(
        truth=_digest(images.encode() + item.label.astype(np.int32)[order].tobytes()),
        images=images,
    )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
