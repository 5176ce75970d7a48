"""The content of the page of predicted images."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GalleryImage:
    """One predicted image.

    Args:
        picture: its thumbnail as a data address.
        others: the next classes with their probabilities.
        unlike: whether it is unlike the images that the model was trained on.
        note: a line below the classes.
    """

    name: str
    picture: str
    label: str
    probability: float
    others: tuple[tuple[str, float], ...] = ()
    unlike: bool = False
    note: str = ""


@dataclass(frozen=True)
class GalleryView:
    """A page of predictions, least certain images first, or in the order that the introduction names.

    Args:
        predicted: number of predicted images; the page may show fewer.
        calibrated: whether the probabilities were calibrated on validation images.
        false_alarm_rate: of the mark for images unlike the training images; None without a novelty score.
        introduction: text in place of the paragraph about predictions.
    """

    title: str
    images: tuple[GalleryImage, ...]
    predicted: int
    unreadable: int = 0
    calibrated: bool = False
    false_alarm_rate: float | None = None
    introduction: str = ""
