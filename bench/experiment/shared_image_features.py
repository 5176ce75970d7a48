"""Reuses image features of base and new images when the same images are classified among all names.

Image features of two-tower methods do not depend on the class names, so the open score needs no second pass through a
tuned image tower.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Self

from torch import Tensor

from methods import Batch, Method

LARGEST = 2**30
"""Largest number of bytes of features that are kept; further batches are computed again."""


class SharedImageFeatures:
    """Inside this context, `method.image_features` computes the features of each batch of `numbered` once.

    The method must not change between the passes. Nothing happens for methods without `image_features`.
    """

    def __init__(self, method: Method[Any]) -> None:
        self._method: Any = method
        self._kept: dict[tuple[str, int, int], Tensor] = {}
        self._place: tuple[str, int, int] | None = None

    def __enter__(self) -> Self:
        compute = getattr(self._method, "image_features", None)
        if compute is None:
            return self

        def image_features(batch: Batch, *more: Any) -> Tensor:
            place = self._place
            if place is None or any(value is not None for value in more):
                return compute(batch, *more)  # type: ignore[no-any-return]
            if place in self._kept:
                return self._kept[place]
            found: Tensor = compute(batch, *more)
            if sum(value.nbytes for value in self._kept.values()) + found.nbytes <= LARGEST:
                self._kept[place] = found
            return found

        self._method.image_features = image_features
        return self

    def __exit__(self, *_: object) -> None:
        vars(self._method).pop("image_features", None)
        self._place = None

    def numbered(self, split: str, size: int, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches of a split in order, `size` images each; their features are stored or, if stored, reused."""
        for number, batch in enumerate(batches):
            self._place = split, size, number
            yield batch
        self._place = None

    def holds(self, split: str, size: int, images: int) -> bool:
        """Whether the features of all images of a split are stored, in batches of this size."""
        return all((split, size, number) in self._kept for number in range(-(-images // size)))
