"""Selects unlabelled images to label next: uncertain images that differ from the labelled images."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.errors import UsageError
from bench.tuned_models.early_checks import RULES
from bench.tuned_models.image_sources import opened_images
from bench.tuned_models.tuned_model import TunedModel
from datasets_registry import ImageNotes, get_dataset, keep_warnings


@dataclass(frozen=True)
class Choice:
    """A chosen image: its index, and its distance to the nearest image that was labelled or chosen before it."""

    index: int
    distance: float


def margins(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The largest probability minus the second largest, `(n,)`; small if the model is uncertain.

    Example:
        >>> margins(np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])).tolist()
        [0.25, 1.0]
    """
    if probabilities.shape[1] < 2:
        return np.ones(len(probabilities))
    ordered = np.sort(probabilities.astype(np.float64), axis=1)
    return ordered[:, -1] - ordered[:, -2]


def choose(
    features: NDArray[np.floating[Any]],
    margin: NDArray[np.floating[Any]],
    labelled: NDArray[np.floating[Any]],
    n: int,
    rule: str = "both",
) -> list[Choice]:
    """Up to n images, in the order in which to label them.

    `margin` takes the smallest margins. `coverage` takes the image farthest from all that are labelled or chosen, again
    and again (k-center). `both` takes the largest product of that distance and `1 - margin`.

    Args:
        features: `(n_images, dim)`, of any length.
        margin: `(n_images,)`, from 0 to 1.
        labelled: features of labelled images, `(n_labelled, dim)`.
    """
    unit, known = _normalised(features), _normalised(labelled)
    # without any labelled image, the first choice is the image farthest from the mean direction
    centres = known if len(known) else unit.mean(axis=0, keepdims=True)
    distance = np.full(len(unit), np.inf)
    for start in range(0, len(centres), 1024):
        distance = np.minimum(distance, (1 - unit @ centres[start : start + 1024].T).min(axis=1))
    distance = distance.clip(min=0)
    unsure = 1 - np.asarray(margin, np.float64)
    left = np.ones(len(unit), bool)
    chosen = []
    for _ in range(min(n, len(unit))):
        value = {"margin": unsure, "coverage": distance}.get(rule, distance * unsure)
        index = int(np.where(left, value, -np.inf).argmax())
        chosen.append(Choice(index, float(distance[index])))
        left[index] = False
        distance = np.minimum(distance, (1 - unit @ unit[index]).clip(min=0))
    return chosen


def _normalised(rows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    rows = np.asarray(rows, np.float64)
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-12)
    return unit


BATCH = 32


@dataclass(frozen=True)
class Suggestion:
    """An image to label.

    Args:
        label: the model's answer, with its probability.
        margin: its probability less that of the next class.
        distance: one minus the cosine to the nearest image that is labelled or suggested before.
        rendered: the image as the tower sees it, `(size, size, 3)`.
    """

    image: str
    label: str
    probability: float
    margin: float
    distance: float
    rendered: NDArray[np.uint8] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Suggestions:
    """Images to label in order, and how many of the pool were left out.

    Args:
        unreadable: name of each image that cannot be read, and the reason.
        notes: one line per kind of what was left out or not read.
    """

    images: tuple[Suggestion, ...]
    pool: int
    labelled: int
    repeated: int
    unreadable: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def suggest_labels(
    dataset: str,
    model: TunedModel,
    sources: Sequence[str],
    *,
    n: int = 20,
    rule: str = "both",
    data_root: Path | None = None,
) -> Suggestions:
    """Up to n unlabelled images, in the order in which to label them.

    Images of any part of the dataset are left out, and so are repeated ones, both by their pixels as the tower sees
    them. Distances are those of frozen features. Raises UsageError if no image is left.
    """
    if rule not in RULES:
        raise UsageError(f"--by {rule} is unknown; choose {', '.join(RULES)}.")
    splits = get_dataset(dataset).reader(data_root)
    own = [sample for part in (splits.train, splits.val or (), splits.test) for sample in part]
    known, seen = _Features(model), set()
    for rendered in (model.rendered(splits.images.load(sample.key)) for sample in own):
        seen.add(_digest(rendered))
        known.add(rendered)
    labelled_digests = frozenset(seen)
    pool, names, images = _Features(model), [], []
    counts = {"pool": 0, "labelled": 0, "repeated": 0}
    unreadable: list[tuple[str, str]] = []
    notes = ImageNotes()
    with keep_warnings():
        for one in opened_images(sources, model.decoded, notes):
            counts["pool"] += 1
            if one.image is None:
                unreadable.append((one.name, one.problem))
                continue
            rendered = model.rendered(one.image)
            digest = _digest(rendered)
            if digest in seen:
                counts["labelled" if digest in labelled_digests else "repeated"] += 1
                continue
            seen.add(digest)
            names.append(one.name)
            images.append(rendered)
            pool.add(rendered)
    if not names:
        why = f" ({' '.join(unreadable[0])})" if unreadable else ""
        raise UsageError(
            f"No image is left to label: of {counts['pool']}, {counts['labelled']} are in {dataset} already and "
            f"{len(unreadable)} cannot be read{why}. Give other images."
        )
    found = [model.predict_rendered(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
    probabilities = np.concatenate([part.probabilities for part in found])
    margin = margins(probabilities)
    chosen = choose(pool.all(), margin, known.all(), n, rule)
    best = probabilities.argmax(axis=1)
    return Suggestions(
        tuple(
            Suggestion(
                names[c.index],
                model.classes[best[c.index]],
                float(probabilities[c.index].max()),
                float(margin[c.index]),
                c.distance,
                images[c.index],
            )
            for c in chosen
        ),
        **counts,
        unreadable=tuple(unreadable),
        notes=tuple(notes.lines()),
    )


class _Features:
    """Frozen features of rendered images, computed some at a time."""

    def __init__(self, model: TunedModel) -> None:
        self._model = model
        self._waiting: list[NDArray[np.uint8]] = []
        self._rows: list[NDArray[np.float32]] = []

    def add(self, rendered: NDArray[np.uint8]) -> None:
        self._waiting.append(rendered)
        if len(self._waiting) == BATCH:
            self._compute()

    def all(self) -> NDArray[np.float32]:
        """All rows, `(n, dim)`."""
        if self._waiting:
            self._compute()
        return np.concatenate(self._rows) if self._rows else np.empty((0, self._model.info.embed_dim), np.float32)

    @torch.no_grad()
    def _compute(self) -> None:
        self._rows.append(self._model.backbone.encode_image(self._model.pixels(self._waiting)).cpu().numpy())
        self._waiting = []


def _digest(rendered: NDArray[np.uint8]) -> bytes:
    return hashlib.sha256(rendered.tobytes()).digest()
