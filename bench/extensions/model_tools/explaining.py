"""What a tuned model learned, as data and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench._util.words import counted
from bench.api import options
from bench.errors import UsageError
from bench.sweep import cache_folder, cores, resolve_device
from datasets_registry import DataError, get_dataset

if TYPE_CHECKING:
    from bench.extensions.model_tools.explanation import Explanation, LabelledImage
    from bench.tuned_models import TunedModel


def explain(
    model: Annotated[str | Path | TunedModel, options.MODEL],
    images: Annotated[
        Sequence[str | Path],
        options.Arg("Images or folders. Default: test images of the model's dataset.", metavar="[IMAGES]..."),
    ] = (),
    out: Annotated[Path | str | None, options.Opt("Page to write.")] = None,
    *,
    limit: Annotated[int, options.Opt("Largest number of images to use.", min=1)] = 500,
    backbone: options.Weights = None,
    data_root: Annotated[Path | str | None, options.DATA_ROOT] = None,
    runs: options.Runs = "runs",
    force: options.Force = False,
    device: options.Device = "auto",
) -> Explanation:
    """What a tuned model learned, and its offline page in the file `out`; see `etl-bench models explain`.

    A loaded model stays where it is. Otherwise, UsageError is raised before torch is imported, also for a file that is
    not a page of etl-bench, unless `force`.
    """
    from bench.results import check_output_file

    if out is not None:
        check_output_file(Path(out), "--out", force=force, suffixes=(".html", ".htm"))
    sources = [str(one) for one in images]
    tuned = _loaded(model, sources, backbone, runs, device) if isinstance(model, str | Path) else model
    if sources:
        found = _explain_given(tuned, sources, limit)
    else:
        from bench.extensions.model_tools.explanation import explain_model

        tested = _test_images(tuned, None if data_root is None else Path(data_root), limit)
        found = explain_model(tuned, tested, f"test images of {tuned.info.spec.dataset}")
    if out is not None:
        from bench.extensions.model_tools.page import render_explanation

        render_explanation(found, Path(out), force=force)
    return found


def _loaded(
    model: str | Path, sources: Sequence[str], backbone: str | None, runs: str | Path, device: str
) -> TunedModel:
    from bench.experiment import read_model_info
    from bench.tuned_models import check_sources, find_model

    file = find_model(model, Path(runs))
    precision = read_model_info(file).spec.precision
    check_sources(sources)
    device = resolve_device(device, precision)
    import torch

    from bench.tuned_models import load_model

    torch.set_num_threads(cores())
    return load_model(file, backbone, device=device, cache_dir=cache_folder(None))


def _explain_given(model: TunedModel, sources: Sequence[str], limit: int) -> Explanation:
    """The explanation with the images of the sources; the name of the folder is the label where it is a class.

    Raises UsageError if none of them can be read.
    """
    from bench.extensions.model_tools.explanation import LabelledImage, explain_model
    from bench.tuned_models import opened_images
    from datasets_registry import ImageNotes, keep_warnings, some

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
    from bench.extensions.model_tools.explanation import LabelledImage

    try:
        splits = get_dataset(model.info.spec.dataset).reader(data_root)
    except DataError:
        return []
    label = {name: i for i, name in enumerate(model.info.classes.names)}
    names = splits.class_names
    known = [sample for sample in splits.test if names[sample.label] in label]
    step = max(1, -(-len(known) // limit))
    return [LabelledImage(s.key, splits.images.load(s.key), label[names[s.label]]) for s in known[::step]]
