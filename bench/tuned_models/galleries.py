"""Predictions as galleries of thumbnails."""

import base64
import heapq
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from bench.analysis import prediction_sets
from bench.experiment import ModelInfo
from datasets_registry import BadImageError


@dataclass(frozen=True)
class GalleryImage:
    """One predicted image.

    Args:
        picture: its thumbnail as a data address.
        others: the next classes with their probabilities.
        unlike: whether it is unlike the images that the model was trained on.
        in_set: its prediction set, most probable class first; None without sets.
    """

    name: str
    picture: str
    label: str
    probability: float
    others: tuple[tuple[str, float], ...] = ()
    unlike: bool = False
    in_set: tuple[str, ...] | None = None


@dataclass(frozen=True)
class GalleryView:
    """A page of predictions, least certain images first.

    Args:
        predicted: number of predicted images; the page may show fewer.
        calibrated: whether the probabilities were calibrated on validation images.
        false_alarm_rate: of the mark for images unlike the training images; None without a novelty score.
        promise: probability with which a prediction set contains the true class.
        no_sets: why there are no prediction sets; empty if there are.
    """

    title: str
    images: tuple[GalleryImage, ...]
    predicted: int
    unreadable: int = 0
    calibrated: bool = False
    false_alarm_rate: float | None = None
    promise: float = prediction_sets.PROMISE
    no_sets: str = ""


SIDE = 112
"""Longest side of a thumbnail, in pixels."""


class Gallery:
    """Keeps the `size` least certain images; errors are only counted."""

    def __init__(self, size: int = 500) -> None:
        self._size = size
        self._heap: list[tuple[float, int, GalleryImage]] = []
        self.seen = 0

    def add(self, row: Mapping[str, Any], open_image: Callable[[], Image.Image]) -> None:
        """Offer an image; it is opened only if it is kept."""
        self.seen += 1
        if row.get("error"):
            return
        uncertainty = 1 - float(row["probability"])
        if len(self._heap) == self._size and uncertainty <= self._heap[0][0]:
            return
        try:
            picture = small_picture(open_image(), SIDE)
        except BadImageError:  # its file changed after it was predicted
            return
        others = tuple((row[f"label_{i}"], row[f"probability_{i}"]) for i in range(2, 4) if f"label_{i}" in row)
        shown = GalleryImage(
            name=str(row["image"]),
            picture=picture,
            label=str(row["label"]),
            probability=float(row["probability"]),
            others=others,
            unlike=bool(row.get("unlike")),
            in_set=None if row.get("set") is None else tuple(row["set"]),
        )
        entry = (uncertainty, -self.seen, shown)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heapreplace(self._heap, entry)

    def view(self, info: ModelInfo, *, unreadable: int, promise: float, no_sets: str) -> GalleryView:
        """The page, least certain images first."""
        calibrated = info.calibration.source == "validation"
        return GalleryView(
            title=f"{info.spec.method} on {info.spec.dataset}",
            images=tuple(image for _, _, image in sorted(self._heap, key=lambda entry: (-entry[0], -entry[1]))),
            predicted=self.seen - unreadable,
            unreadable=unreadable,
            calibrated=calibrated,
            false_alarm_rate=info.novelty.false_alarm_rate if info.novelty else None,
            promise=promise,
            no_sets=no_sets,
        )


def small_picture(image: Image.Image, side: int = 112) -> str:
    """A JPEG in a data address, at most `side` pixels wide and high."""
    small = image.convert("RGB")
    small.thumbnail((side, side))
    return data_address(small)


def data_address(image: Image.Image) -> str:
    """An RGB image as a JPEG in a data address."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
