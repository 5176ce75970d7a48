"""What a tuned model learned, as data and as a page."""

from __future__ import annotations

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
    from bench.tuned_models import Explanation, LabelledImage, TunedModel


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
