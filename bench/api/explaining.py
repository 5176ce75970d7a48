"""What a tuned model learned, and which images to label next, as data."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench._util.words import counted
from bench.errors import UsageError
from bench.sweep import cache_folder, cores, resolve_device
from datasets_registry import DataError, ImageNotes, get_dataset, keep_warnings, some

if TYPE_CHECKING:
    from bench.tuned_models import Explanation, LabelledImage, Suggestions, TunedModel


def explain(
    model: str | Path | TunedModel,
    images: Sequence[str | Path] = (),
    *,
    limit: int = 500,
    data_root: str | Path | None = None,
    **options: Any,
) -> Explanation:
    """What a tuned model learned: the content of the page of `etl-bench models explain`.

    Args:
        model: a tuned model: file, name, or loaded.
        images: files or folders; by default test images of the model's dataset, if they are on this machine.
        limit: most images that are looked at.
        options: of `load_model`, such as `backbone`.
    """
    from bench.tuned_models import explain_model

    tuned = _loaded(model, options)
    if images:
        return _explain_given(tuned, [str(one) for one in images], limit)
    root = None if data_root is None else Path(data_root)
    return explain_model(tuned, _test_images(tuned, root, limit), f"test images of {tuned.info.spec.dataset}")


def suggest_labels(
    dataset: str, model: str | Path | TunedModel, images: Sequence[str | Path], *, n: int = 20, by: str = "both",
    data_root: str | Path | None = None, **options: Any,
) -> Suggestions:  # fmt: skip
    """Which unlabelled images to label next, see `etl-bench models suggest-labels`; options as of `load_model`."""
    from bench.tuned_models import suggest_labels as suggested

    root = None if data_root is None else Path(data_root)
    return suggested(dataset, _loaded(model, options), [str(one) for one in images], n=n, rule=by, data_root=root)


def _loaded(model: str | Path | TunedModel, options: dict[str, Any]) -> TunedModel:
    from bench.tuned_models import load_model

    return load_model(model, **options) if isinstance(model, str | Path) else model


def _explain_given(model: TunedModel, sources: Sequence[str], limit: int) -> Explanation:
    """The explanation with the images of the sources; the name of the folder is the label where it is a class.

    Raises UsageError if none of them can be read.
    """
    from bench.tuned_models import LabelledImage, explain_model, opened_images

    classes = {name: i for i, name in enumerate(model.info.classes.names)}
    notes, found, unreadable = ImageNotes(), [], []
    with keep_warnings():
        for one in islice(opened_images(sources, model.decoded, notes), limit):
            if one.image is None:
                unreadable.append((one.name, one.problem))
            else:
                found.append(LabelledImage(one.name, one.image, classes.get(Path(one.name).parent.name)))
    if unreadable and not found:
        tried = f"{counted(len(unreadable), 'image')} tried; {' '.join(unreadable[0])}"
        raise UsageError(f"No image of {', '.join(sources)} can be read ({tried}).")
    explained = explain_model(model, found, "the given ones")
    left_out = explained.left_out
    if unreadable:
        first = some([f"{name} {problem}" for name, problem in unreadable])
        left_out = (*left_out, f"{counted(len(unreadable), 'given image')} cannot be read: {first}.")
    return replace(explained, left_out=left_out, unreadable=tuple(unreadable), notes=tuple(notes.lines()))


def _test_images(model: TunedModel, data_root: Path | None, limit: int) -> list[LabelledImage]:
    """Test images of the model's classes, evenly over the list; none if they are not on this machine."""
    from bench.tuned_models import LabelledImage

    try:
        splits = get_dataset(model.info.spec.dataset).reader(data_root)
    except DataError:
        return []
    label = {name: i for i, name in enumerate(model.info.classes.names)}
    names = splits.class_names
    known = [sample for sample in splits.test if names[sample.label] in label]
    step = max(1, -(-len(known) // limit))
    return [LabelledImage(s.key, splits.images.load(s.key), label[names[s.label]]) for s in known[::step]]


def write_explanation(
    model: str,
    images: Sequence[str] = (),
    out: Path | None = None,
    *,
    limit: int = 500,
    backbone: str | None = None,
    data_root: Path | None = None,
    runs: Path = Path("runs"),
    force: bool = False,
    device: str = "auto",
) -> Explanation:
    """What a tuned model learned, and its offline page in the file `out`; see `etl-bench models explain`.

    Raises UsageError before torch is imported, also for a file that is not a page of etl-bench, unless `force`.
    """
    from bench.experiment import read_model_info
    from bench.results import check_output_file
    from bench.tuned_models import check_sources, find_model

    if out is not None:
        check_output_file(out, "--out", force=force, suffixes=(".html", ".htm"))
    source = find_model(model, runs)
    precision = read_model_info(source).spec.precision
    check_sources(images)
    device = resolve_device(device, precision)
    import torch

    torch.set_num_threads(cores())
    found = explain(
        source, images, backbone=backbone, limit=limit, data_root=data_root, device=device, cache_dir=cache_folder(None)
    )
    if out is not None:
        from reports import render_explanation

        render_explanation(found, out, force=force)
    return found


SUGGESTION_COLUMNS = ("rank", "image", "label", "probability", "margin", "distance", "error")


def write_suggestions(
    dataset: str,
    model: str,
    images: Sequence[str],
    out: Path | None = None,
    *,
    n: int = 20,
    by: str = "both",
    page: bool = False,
    backbone: str | None = None,
    data_root: Path | None = None,
    runs: Path = Path("runs"),
    force: bool = False,
    device: str = "auto",
) -> tuple[Suggestions, str]:
    """Which unlabelled images to label next, and the same as CSV, which is also written to the file `out`.

    With `page`, an offline page with the images is written next to `out`. See `etl-bench models suggest-labels`. Raises
    UsageError before torch is imported, also for existing files that are not to be replaced, unless `force`.
    """
    from bench.experiment import read_model_info
    from bench.results import check_output_file, write_output
    from bench.tuned_models import RULES, check_sources, find_model

    if by not in RULES:
        raise UsageError(f"--by {by} is unknown; choose {', '.join(RULES)}.")
    if page and out is None:
        raise UsageError("--page needs --out FILE, because it writes next to that file.")
    if out is not None:
        check_output_file(out, "--out", force=force, suffixes=(".csv", ".txt"))
    html = out.with_suffix(".html") if page and out else None
    if html is not None:
        check_output_file(html, "--page", force=force)
    get_dataset(dataset)
    source = find_model(model, runs)
    precision = read_model_info(source).spec.precision
    check_sources(images)
    device = resolve_device(device, precision)
    import torch

    torch.set_num_threads(cores())
    found = suggest_labels(
        dataset, source, images, n=n, by=by, data_root=data_root, backbone=backbone, device=device,
        cache_dir=cache_folder(None),
    )  # fmt: skip
    text = _csv(found)
    if out is not None:
        write_output(out, text.encode(), force=force)
    if html is not None:
        from bench.tuned_models import suggestions_view
        from reports import render_gallery

        title = f"{dataset}, images to label next (--by {by})"
        render_gallery(suggestions_view(found, title), html, force=force)
    return found, text


def _csv(found: Suggestions) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(SUGGESTION_COLUMNS)
    for rank, one in enumerate(found.images, 1):
        numbers = (f"{value:.6f}" for value in (one.probability, one.margin, one.distance))
        writer.writerow([rank, one.image, one.label, *numbers, ""])
    for name, problem in found.unreadable:
        writer.writerow(["", name, "", "", "", "", problem])
    return buffer.getvalue()
