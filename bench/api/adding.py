"""Own images as a dataset, from Python, with the options of `etl-bench datasets add`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from datasets_registry import (
    DATASETS,
    AddedDataset,
    AddRequest,
    ColumnNames,
    SplitRule,
    add_custom_dataset,
    custom_folders,
)

_OPTIONS = ("root", "skip_broken", "min_images", "names", "guess_names", "orient")
_COLUMNS = {"path": "path_column", "label": "label_column", "split": "split_column"}


def add_dataset(
    name: str,
    images: str | Path,
    *,
    template: str = "a photo of a {}.",
    title: str = "",
    split: str | None = None,
    replace: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> AddedDataset:
    """Inspect own images and register them as a dataset, for this process and for later ones in this folder.

    Args:
        name: lower-case letters, digits and `_`.
        images: a folder of class folders, a table, a Hugging Face folder, or a folder of webdataset tars.
        template: the sentence around a class name, with one `{}`.
        title: the name in tables.
        split: `"given"`, `"hash"` or `"even"`; by default what fits the images.
        replace: overwrite a dataset of this name.
        progress: receives the number of inspected images and of all images.
        options: `skip_broken`, `min_images`, `names` (class names by label), `guess_names`, `orient`, and for tables
            `root`, `path_column`, `label_column` and `split_column`.

    Returns:
        The dataset; `facts()` says what was found, and `datasets_registry.notes_on` what may be a mistake.

    Raises:
        RegistrationError: the name is malformed or taken.
        BadImagesError: some images cannot be read; it lists them all.
        DataError: there are too few images or classes.
        UsageError: an unknown option.
    """
    columns = {column: options.pop(key, None) for column, key in _COLUMNS.items()}
    if unknown := sorted(options.keys() - set(_OPTIONS)):
        allowed = ", ".join((*_OPTIONS, *_COLUMNS.values()))
        raise UsageError(f"add_dataset has no option {unknown[0]!r}. Further options: {allowed}.")
    given = options | ({"root": Path(options["root"]).expanduser()} if options.get("root") else {"root": None})
    request = AddRequest(
        name=name,
        images=Path(images).expanduser(),
        template=template,
        title=title,
        split=None if split is None else _split_rule(split),
        columns=ColumnNames(**columns),
        **given,
    )
    added = add_custom_dataset(request, custom_folders()[0], replace=replace, progress=progress)
    if name in DATASETS:
        DATASETS.remove(name)
    DATASETS.add(name, added.info, added.info.title)
    return added


def _split_rule(text: str) -> SplitRule:
    try:
        return SplitRule(text)
    except ValueError:
        raise UsageError(f"split={text!r} is unknown; choose {', '.join(SplitRule)}.") from None
