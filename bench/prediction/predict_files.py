"""Predicts a stream of images: decodes ahead of the towers, writes rows at once, and can resume."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from bench._util.counted import counted
from bench._util.prefetch import parallel_map, prefetch
from bench.errors import UsageError
from bench.prediction.gallery import Gallery
from bench.prediction.image_sources import ImageItem, check_sources, image_items
from bench.prediction.table_files import PartialTable, Row, columns_of
from bench.prediction.tuned_model import BATCH, TunedModel
from datasets_registry import BadImageError


@dataclass(frozen=True)
class PredictionSummary:
    """Numbers of images: in total, unreadable, and unlike the training images."""

    images: int
    unreadable: int
    unlike: int
    resumed: int = 0


@dataclass(frozen=True)
class _Decoded:
    """A decoded image, or the reason why it cannot be read; `open` decodes it again."""

    name: str
    open: Callable[[], Image.Image]
    rendered: NDArray[np.uint8] | None
    error: str


def predict_files(
    model: TunedModel,
    sources: Sequence[str],
    out: Path | None,
    *,
    on_rows: Callable[[list[str], Sequence[Row]], None] = lambda *_: None,
    page: Path | None = None,
    resume: bool = False,
    top: int = 5,
    batch: int = BATCH,
) -> PredictionSummary:
    """Predict the images of all sources into a table and a page.

    Without `out`, rows go to `on_rows(columns, rows)` alone. Raises UsageError, leaving nothing behind, if a source
    does not exist or no image can be read.
    """
    check_sources(sources)
    top = min(top, len(model.classes))
    columns, items = columns_of(top), image_items(sources)
    key = {"run": model.info.run_id, "classes": list(model.classes), "top": top, "sources": list(sources)}
    table = None if out is None else PartialTable(out, key)
    done = table.begin(resume=resume) if table else 0
    gallery = Gallery() if page else None
    counts, complete = _Counts(gallery), False
    try:
        if table and done:
            for row, opened in _matching_rows(model, table, items):
                counts.add(row, opened)
        for decoded in _decoded_batches(model, items, batch):
            rows = _rows(model, decoded, top)
            if table:
                table.append(rows)
            for row, one in zip(rows, decoded, strict=True):
                counts.add(row, one.open)
            on_rows(columns, rows)
        if counts.unreadable == counts.images:
            tried = counted(counts.images, "image")
            raise UsageError(f"No image of {', '.join(sources)} can be read ({tried} tried); nothing was written.")
        complete = True
    finally:
        if table and not complete and counts.unreadable == counts.images and not done:
            table.discard()
    if table:
        table.finish(columns)
    if gallery and page:
        gallery.write(page, model.info, unreadable=counts.unreadable)
    return PredictionSummary(counts.images, counts.unreadable, counts.unlike, done)


@dataclass
class _Counts:
    """Counts rows, and offers each to the gallery."""

    gallery: Gallery | None
    images: int = 0
    unreadable: int = 0
    unlike: int = 0

    def add(self, row: Row, opened: Callable[[], Image.Image]) -> None:
        self.images += 1
        self.unreadable += bool(row["error"])
        self.unlike += bool(row["unlike"])
        if self.gallery:
            self.gallery.add(row, opened)


def _matching_rows(
    model: TunedModel, table: PartialTable, items: Iterator[ImageItem]
) -> Iterator[tuple[Row, Callable[[], Image.Image]]]:
    """The finished rows, each with its image; raises UsageError if the images have changed."""
    for row in table.rows():
        item = next(items, None)
        if item is None or item.name != row["image"]:
            raise UsageError(
                f"{table.path} has a row for {row['image']}, but the images have changed; delete it to start over."
            )
        yield row, lambda item=item: model.decoded(item.read(), item.name)  # type: ignore[misc]


def _decoded_batches(model: TunedModel, items: Iterator[ImageItem], size: int) -> Iterator[list[_Decoded]]:
    """Batches of decoded images, in order; the next ones are decoded while the towers compute."""

    def decode(item: ImageItem) -> _Decoded:
        def opened() -> Image.Image:
            return model.decoded(item.read(), item.name)

        try:
            return _Decoded(item.name, opened, model.rendered(opened()), "")
        except BadImageError as error:
            return _Decoded(item.name, opened, None, error.problem)
        except OSError as error:
            return _Decoded(item.name, opened, None, error.strerror or str(error))

    def batches() -> Iterator[list[ImageItem]]:
        while some := list(islice(items, size)):
            yield some

    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        yield from prefetch(batches(), lambda some: parallel_map(some, decode, pool))


def _rows(model: TunedModel, decoded: Sequence[_Decoded], top: int) -> list[dict[str, Any]]:
    """The rows of a batch; an image that cannot be read has an error and nothing else."""
    readable = [one.rendered for one in decoded if one.rendered is not None]
    found = model.predict_rendered(readable)
    best, place, rows = found.top(top), 0, []
    for one in decoded:
        row: dict[str, Any] = {"image": one.name}
        if one.rendered is None:
            rows.append(row | {"unlike": None, "error": one.error})
            continue
        for rank, (label, probability) in enumerate(best[place], start=1):
            suffix = "" if rank == 1 else f"_{rank}"
            row |= {f"label{suffix}": label, f"probability{suffix}": probability}
        score = float(found.novelty[place])
        known = model.info.novelty is not None
        row |= {"novelty": score if known else None, "unlike": bool(found.unlike[place]) if known else None}
        rows.append(row | {"error": ""})
        place += 1
    return rows
