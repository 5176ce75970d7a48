"""What a page of runs is made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import pandas as pd

from bench.analysis import HConvention
from bench.papers import Catalogue, Claim
from reports.views import UnfinishedView

if TYPE_CHECKING:
    from bench.results import Store


class Pictures(Protocol):
    """Class names and thumbnails of datasets, as `reports.site.images.DatasetPictures` provides them."""

    def class_names(self, dataset: str, split: str) -> tuple[str, ...]:
        """Names in label order."""
        ...

    def picture(self, dataset: str, key: str) -> str | None:
        """A data URI."""
        ...


@dataclass(frozen=True)
class PageContent:
    """The page of a results database; sections without their data are left out.

    Args:
        runs, difficulty, made: the store's `runs_frame(outcomes=True)`, `difficulty_frame()` and `provenance_frame()`.
        generated_at: default now.
        protocol: restricts the page to one protocol.
        examples: example images of a dataset by its name.
        published: `bench.papers.published_frame()`, to compare with.
        defaults: published settings by method and protocol, to find runs with other settings.
        stored, pictures: predictions of the runs, and class names and thumbnails of their datasets, for the error
            analysis and calibration.
        unfinished: sweeps whose missing runs are expected.
    """

    runs: pd.DataFrame
    difficulty: pd.DataFrame
    catalogue: Catalogue
    package_version: str
    generated_at: datetime | None = None
    protocol: str | None = None
    convention: HConvention = HConvention.MEAN_OF_H
    examples: Callable[[str], tuple[tuple[str, str], ...]] = lambda _: ()
    claims: Sequence[Claim] = ()
    published: pd.DataFrame | None = None
    stored: Store | None = None
    pictures: Pictures | None = None
    made: pd.DataFrame | None = None
    unfinished: Sequence[UnfinishedView] = ()

    def restricted(self) -> PageContent:
        """The content with the runs of its protocol and with titles that tell their datasets apart."""
        runs = self.runs if self.protocol is None else self.runs[self.runs["protocol"] == self.protocol]
        datasets = runs["dataset"]
        return replace(self, runs=runs, catalogue=self.catalogue.telling_apart(datasets).with_short_titles(datasets))
