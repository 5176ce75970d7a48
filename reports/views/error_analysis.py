"""Errors by class, confused pair and image, for every method and run."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.analysis import Confusion, HardImage


@dataclass(frozen=True)
class ClassListView:
    """The classes of one dataset and split, and the errors of all runs on it.

    Args:
        key: unique within its backbone; usable in an id.
        names: class names in label order.
        pairs: most frequent confusions over all runs.
        images: the images that most runs misclassify, hardest first.
    """

    key: str
    backbone: str
    dataset: str
    title: str
    split: str
    names: tuple[str, ...]
    n_images: int
    n_runs: int
    pairs: tuple[Confusion, ...]
    images: tuple[HardImage, ...]

    def name(self, label: int) -> str:
        """Name of a class, or its number if names are unknown."""
        return self.names[label] if label < len(self.names) else f"class {label}"


@dataclass(frozen=True)
class RunErrorsView:
    """One run on one class list.

    Args:
        right_by_class: number of correct images of each class in `EntryErrorsView.labels`.
        tops: for each hard image of the list, up to five classes with their probabilities, best first.
    """

    run_id: str
    seed: int
    right: int
    right_by_class: tuple[int, ...]
    pairs: tuple[Confusion, ...]
    tops: tuple[tuple[tuple[int, float], ...], ...]


@dataclass(frozen=True)
class EntryErrorsView:
    """One entry on one class list.

    Args:
        labels: the worst classes, worst first.
        sizes: test images of each of them.
        taken_for: most frequent wrong prediction for each of them, None without errors.
        runs: one per seed; `pairs` are the most frequent confusions over all of them.
    """

    entry: str
    list_key: str
    labels: tuple[int, ...]
    sizes: tuple[int, ...]
    taken_for: tuple[int | None, ...]
    n_classes: int
    pairs: tuple[Confusion, ...]
    runs: tuple[RunErrorsView, ...]


@dataclass(frozen=True)
class ErrorAnalysisView:
    """Class lists of the page, and errors of entries by the anchor of their board.

    `folder` holds the predictions of complete runs, relative to the page; None for a page without them.
    """

    lists: tuple[ClassListView, ...] = ()
    cells: Mapping[str, tuple[EntryErrorsView, ...]] | None = None
    folder: str | None = None
