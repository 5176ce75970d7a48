"""Captions of the synthetic world as classification tasks, and their compact vocabulary."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datasets_registry._synthetic.drawing import SURFACES
from datasets_registry._synthetic.suite import BACKGROUNDS, COLOURS, PLACES, SHAPES, plural_of_shape
from methods import tokenize
from tools.train_demo_backbone.scenes import COUNTS, PLURAL_TEMPLATES, SIZES, TEMPLATES, Scene

LONGEST_CAPTION = 20
"""Largest number of tokens in a caption, including start and end."""


@dataclass(frozen=True)
class CaptionTask:
    """A complete list of captions and, for a scene, the index of the true one (None if the task does not apply)."""

    captions: tuple[str, ...]
    true_index: Callable[[Scene], int | None]


def caption_tasks() -> list[CaptionTask]:
    """One task for the shapes alone, and one per attribute with all its values and all shapes."""
    colours, backgrounds, sizes, places = tuple(COLOURS), tuple(BACKGROUNDS), tuple(SIZES), tuple(PLACES)

    def crossed(values: Sequence[str], form: str) -> tuple[str, ...]:
        return tuple(form.format(value=value, shape=shape) for value in values for shape in SHAPES)

    def place(values: Sequence[str], value: str, shape: str) -> int:
        return values.index(value) * len(SHAPES) + SHAPES.index(shape)

    counted = tuple(f"a photo of {n} {s if n == 'one' else plural_of_shape(s)}." for n in COUNTS for s in SHAPES)
    by_shape = CaptionTask(crossed(("",), "a photo of a {shape}."), lambda s: SHAPES.index(s.shape))
    by_colour = CaptionTask(
        crossed(colours, "a photo of a {value} {shape}."), lambda s: place(colours, s.colour, s.shape)
    )
    return [
        by_shape,
        by_colour,
        CaptionTask(crossed(SURFACES, "a photo of a {value} {shape}."), lambda s: place(SURFACES, s.surface, s.shape)),
        CaptionTask(counted, lambda s: (s.count - 1) * len(SHAPES) + SHAPES.index(s.shape)),
        CaptionTask(
            crossed(sizes, "a photo of a {value} {shape}."),
            lambda s: place(sizes, s.size, s.shape) if s.count == 1 else None,
        ),
        CaptionTask(
            crossed(backgrounds, "a photo of a {shape} on a {value} background."),
            lambda s: place(backgrounds, s.background, s.shape),
        ),
        CaptionTask(
            crossed(places, "a photo of a {shape} {value}."),
            lambda s: place(places, s.place, s.shape) if s.count == 1 else None,
        ),
    ]


class CompactVocabulary:
    """The token ids that captions can contain, renumbered from 0 in order, so the end token stays the largest."""

    def __init__(self) -> None:
        words = [
            *COLOURS,
            *BACKGROUNDS,
            *SIZES,
            *SURFACES,
            *COUNTS,
            *PLACES,
            *SHAPES,
            *map(plural_of_shape, SHAPES),
            "background",
        ]
        templates = [t.replace("{}", "") for t in (*TEMPLATES, *PLURAL_TEMPLATES)]
        bases = ["on a", *templates, *words]
        self.token_ids = torch.unique(tokenize(bases + [f"a {b}." for b in bases])).long()
        self._rows: dict[str, NDArray[np.int64]] = {}

    def encode(self, captions: Sequence[str]) -> Tensor:
        """Compact token ids, padded with the first id to the longest caption; shape `(len(captions), tokens)`."""
        missing = [caption for caption in dict.fromkeys(captions) if caption not in self._rows]
        if missing:
            full = tokenize(missing)
            compact = torch.searchsorted(self.token_ids, full)
            if not torch.equal(self.token_ids[compact], full):
                raise ValueError("A caption holds a token that the compact vocabulary lacks.")
            lengths = (full.argmax(dim=-1) + 1).tolist()
            self._rows |= {c: compact[i, :n].numpy() for i, (c, n) in enumerate(zip(missing, lengths, strict=True))}
        rows = [self._rows[caption] for caption in captions]
        table = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        for i, row in enumerate(rows):
            table[i, : len(row)] = row
        return torch.from_numpy(table)
