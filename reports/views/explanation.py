"""The content of the page about a tuned model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TokenView:
    """A learned context token and the vocabulary entries nearest to it.

    Args:
        nearest: entries with their Euclidean distances, nearest first.
    """

    name: str
    nearest: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class ContextView:
    """Learned context tokens compared with the vocabulary.

    Args:
        real_nearest: median distance from a vocabulary entry to the nearest other entry.
        farther: number of learned tokens whose nearest entry is farther than `real_nearest`.
    """

    tokens: tuple[TokenView, ...]
    real_nearest: float
    farther: int


@dataclass(frozen=True)
class EnsembleView:
    """The adaptive ensemble, by class.

    Args:
        rows: class, weight of the adapted text, mean distance and nearest distance to the training classes.
        image_weight: share of the adapted image feature, one for all classes.
    """

    rows: tuple[tuple[str, float, float, float], ...]
    image_weight: float


@dataclass(frozen=True)
class NormView:
    """A learned tensor: its size, and the root mean square of its values."""

    name: str
    shape: tuple[int, ...]
    norm: float
    rms: float


@dataclass(frozen=True)
class ChangedImageView:
    """An image to which the model and zero-shot give different classes; `label` is None if it is unknown."""

    name: str
    zero_shot: str
    tuned: str
    label: str | None
    picture: str | None = None


@dataclass(frozen=True)
class ChangesView:
    """The model against zero-shot on some images.

    Args:
        source: description of the images.
        images: number of images.
        changed: number of images with a different prediction.
        counts: `both right`, `only tuned right`, `only zero-shot right`, `both wrong`; None without labels.
        shown: some of the changed images.
    """

    source: str
    images: int
    changed: int
    counts: dict[str, int] | None
    shown: tuple[ChangedImageView, ...]


@dataclass(frozen=True)
class SimilarityMapView:
    """An image, and the similarity of each of its patches to the text of one class, `(rows, columns)`."""

    name: str
    label: str
    values: tuple[tuple[float, ...], ...]
    picture: str
    overlay: str


@dataclass(frozen=True)
class ProjectionView:
    """Class texts before and after, on the two main axes of both.

    Args:
        points: class, `x` and `y` before, `x` and `y` after.
        share: share of the variance that the two axes show.
    """

    points: tuple[tuple[str, float, float, float, float], ...]
    share: float
    what: str


@dataclass(frozen=True)
class ExplanationView:
    """Everything on the page. A section that does not apply is None, and `left_out` gives the reason in a sentence."""

    title: str
    facts: tuple[tuple[str, str], ...]
    context: ContextView | None = None
    ensemble: EnsembleView | None = None
    norms: tuple[NormView, ...] = ()
    changes: ChangesView | None = None
    maps: tuple[SimilarityMapView, ...] = ()
    projection: ProjectionView | None = None
    left_out: tuple[str, ...] = ()
