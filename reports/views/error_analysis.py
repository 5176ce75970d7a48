"""What went wrong where: classes, confused pairs and images, from one method's runs down to one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PairView:
    """`count` of the `n` images of class `label` were taken for class `predicted`; classes by number."""

    label: int
    predicted: int
    count: int
    n: int


@dataclass(frozen=True)
class HardImageView:
    """An image that many runs get wrong; `uri` is a small picture of it, None where images are not at hand."""

    image: str
    label: int
    taken_for: int
    wrong: int
    runs: int
    uri: str | None


@dataclass(frozen=True)
class ClassListView:
    """One list of classes that images are told apart among, and what all runs on it have in common.

    Args:
        key: unique within its backbone; usable in an id.
        dataset: registry name.
        title: of the dataset.
        split: `base`, `new` or `all`.
        names: class names in label order.
        n_images: test images.
        n_runs: runs counted on them.
        pairs: the commonest mistakes over all these runs.
        images: the images most runs get wrong, hardest first.
    """

    key: str
    backbone: str
    dataset: str
    title: str
    split: str
    names: tuple[str, ...]
    n_images: int
    n_runs: int
    pairs: tuple[PairView, ...]
    images: tuple[HardImageView, ...]

    def name(self, label: int) -> str:
        """Name of a class, or its number where names are not known."""
        return self.names[label] if label < len(self.names) else f"class {label}"


@dataclass(frozen=True)
class RunErrorsView:
    """One run on one class list.

    Args:
        run_id: of the run.
        seed: of the run.
        right: correct images.
        right_by_class: correct images of each class in `EntryErrorsView.labels`.
        pairs: its commonest mistakes.
        tops: for each of the list's hard images, up to five classes, best first, with their probabilities.
    """

    run_id: str
    seed: int
    right: int
    right_by_class: tuple[int, ...]
    pairs: tuple[PairView, ...]
    tops: tuple[tuple[tuple[int, float], ...], ...]


@dataclass(frozen=True)
class EntryErrorsView:
    """One entry on one class list.

    Args:
        labels: classes shown, worst first; the rest are left out where there are many.
        sizes: test images of each of them.
        taken_for: the commonest mistake of each of them over all runs, None where there is none.
        n_classes: how many classes the list has.
        pairs: the commonest mistakes over all runs.
        runs: one for each seed.
    """

    entry: str
    list_key: str
    labels: tuple[int, ...]
    sizes: tuple[int, ...]
    taken_for: tuple[int | None, ...]
    n_classes: int
    pairs: tuple[PairView, ...]
    runs: tuple[RunErrorsView, ...]


@dataclass(frozen=True)
class ErrorAnalysisView:
    """All of it: class lists of the whole page, and cells by the anchor of their setting.

    `folder` names where the page finds the predictions of whole runs, None where it stands alone.
    """

    lists: tuple[ClassListView, ...] = ()
    cells: Mapping[str, tuple[EntryErrorsView, ...]] | None = None
    folder: str | None = None
