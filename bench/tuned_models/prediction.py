"""Predicts image files and writes one CSV row per image."""

import csv
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench._util.prefetch import parallel_map, prefetch
from bench._util.words import counted
from bench.bounds import printable
from bench.errors import UsageError
from bench.results import replacing
from bench.tuned_models.images_to_predict import ImageItem, check_sources, image_items
from bench.tuned_models.tuned_model import BATCH, TunedModel
from datasets_registry import BadImageError, ImageFacts, ImageNotes, keep_warnings

Row = Mapping[str, Any]


def _columns_of(top: int) -> list[str]:
    """The columns of a table with the `top` most probable classes."""
    best = [name for i in range(2, top + 1) for name in (f"label_{i}", f"probability_{i}")]
    return ["image", "label", "probability", *best, "novelty", "unlike", "error"]


def write_csv_rows(file: IO[str], columns: Sequence[str], rows: Iterator[Row], *, header: bool = True) -> None:
    """Write rows as CSV lines; missing values are empty."""
    writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n")
    if header:
        writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else value


@dataclass(frozen=True)
class PredictionSummary:
    """A finished prediction: numbers of images in total, unreadable, and unlike the training images.

    Args:
        notes: one line per kind of what was left out or not read.
        code_changes: changes of the method's code since the model was tuned.
        changed_images: changes of the images of its dataset since then.
    """

    images: int
    unreadable: int
    unlike: int
    notes: tuple[str, ...] = ()
    code_changes: tuple[str, ...] = ()
    changed_images: str = ""


@dataclass(frozen=True)
class _Decoded:
    """A decoded image and its facts, or the reason why it cannot be read."""

    name: str
    rendered: NDArray[np.uint8] | None
    error: str
    facts: ImageFacts | None = None


def predict_files(
    model: TunedModel,
    sources: Sequence[str],
    out: Path | None,
    *,
    on_rows: Callable[[list[str], Sequence[Row]], None] = lambda *_: None,
    top: int = 5,
    batch: int = BATCH,
    force: bool = False,
) -> PredictionSummary:
    """Predict the images of all sources into a table.

    Without `out`, rows go to `on_rows(columns, rows)` alone. Raises UsageError, leaving nothing behind, if a source
    does not exist, no image can be read, or `out` exists and `force` is not given.
    """
    check_sources(sources)
    top = min(top, len(model.classes))
    notes = ImageNotes()
    columns, items = _columns_of(top), image_items(sources, notes)
    counts = Counter[str]()

    def predicted() -> Iterator[Row]:
        reason = ""
        for decoded in _decoded_batches(model, items, batch):
            rows = _rows(model, decoded, top)
            for row, image in zip(rows, decoded, strict=True):
                counts["images"] += 1
                counts["unreadable"] += bool(row["error"])
                counts["unlike"] += bool(row["unlike"])
                reason = reason or (image.error and f"{image.name} {image.error}")
                if image.facts:
                    notes.add(image.name, image.facts)
            on_rows(columns, rows)
            yield from rows
        if counts["unreadable"] == counts["images"]:
            tried = f"{counted(counts['images'], 'image')} tried" + (f"; {reason}" if reason else "")
            end = "the rows above give the reasons" if out is None else "nothing was written"
            raise UsageError(f"No image of {', '.join(sources)} can be read ({tried}); {end}.")

    with keep_warnings():
        if out is None:
            deque(predicted(), maxlen=0)
        else:
            with replacing(out, force=force) as draft, draft.open("w", encoding="utf-8", newline="") as file:
                write_csv_rows(file, columns, predicted())
    return PredictionSummary(counts["images"], counts["unreadable"], counts["unlike"], tuple(notes.lines()))


def _decoded_batches(model: TunedModel, items: Iterator[ImageItem], size: int) -> Iterator[list[_Decoded]]:
    """Batches of decoded images, in order; the next ones are decoded while the towers compute."""

    def decode(item: ImageItem) -> _Decoded:
        try:
            image, facts = model.decoded(item.read(), item.name)
            return _Decoded(item.name, model.rendered(image), "", facts)
        except BadImageError as error:
            return _Decoded(item.name, None, printable(error.problem))

    def batches() -> Iterator[list[ImageItem]]:
        while some := list(islice(items, size)):
            yield some

    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        yield from prefetch(batches(), lambda some: parallel_map(some, decode, pool))


def _rows(model: TunedModel, decoded: Sequence[_Decoded], top: int) -> list[dict[str, Any]]:
    """The rows of a batch; an image that cannot be read has an error and nothing else."""
    readable = [image.rendered for image in decoded if image.rendered is not None]
    predictions = model.predict_rendered(readable)
    best, place, rows = predictions.top(top), 0, []
    for image in decoded:
        row: dict[str, Any] = {"image": image.name}
        if image.rendered is None:
            rows.append(row | {"unlike": None, "error": image.error})
            continue
        for rank, (label, probability) in enumerate(best[place], start=1):
            suffix = "" if rank == 1 else f"_{rank}"
            row |= {f"label{suffix}": label, f"probability{suffix}": probability}
        score = float(predictions.novelty[place])
        has_novelty = model.info.novelty is not None
        row |= {
            "novelty": score if has_novelty else None,
            "unlike": bool(predictions.unlike[place]) if has_novelty else None,
        }
        rows.append(row | {"error": ""})
        place += 1
    return rows
