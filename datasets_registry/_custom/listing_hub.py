"""Lists the images of a custom dataset in a Hugging Face `datasets` folder, as `save_to_disk` writes it."""

from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

from datasets_registry._custom.listing_folders import FoundImage, Listing, check_unicode, parse_part
from datasets_registry._errors import DataError
from datasets_registry._readers.decode import OWN_IMAGES, BadImageError
from datasets_registry._readers.image_sources import EncodedImages, read_image_file

MARKER_FILES = ("dataset_dict.json", "state.json")
"""Files that `save_to_disk` writes: the first for a dictionary of splits, the second for a single split."""


def list_hub_folder(
    root: Path, *, image: str | None = None, label: str | None = None, group: str | None = None
) -> Listing:
    """All images of a folder, with keys `split/row`. Several splits are treated as a given split.

    Args:
        image: column of the images; None for the only column of that type.
        label: column of the labels; None for the only class label, or the column `label`.
        group: column of the groups; None for none.

    Raises:
        DataError: `datasets` is not installed, the folder cannot be read, a column is ambiguous, a label is missing, or
            a split has an unknown name.
    """
    try:
        import datasets as hub
    except ImportError:
        raise DataError(
            f"{root} is a Hugging Face dataset, and the package that reads it is not installed. "
            f"Run `pip install 'clip-etl-bench[hf]'`."
        ) from None
    try:
        loaded = hub.load_from_disk(str(root))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{root} cannot be read as a Hugging Face dataset ({error}). Write it again with `save_to_disk`."
        ) from error
    several = isinstance(loaded, hub.DatasetDict)
    tables = dict(loaded) if several else {"all": loaded}
    features = next(iter(tables.values())).features
    image = _column(root, features, image, "image", [n for n, f in features.items() if isinstance(f, hub.Image)])
    class_labels = [n for n, f in features.items() if isinstance(f, hub.ClassLabel)]
    label = _column(root, features, label, "label", class_labels or [n for n in ("label",) if n in features])
    words = features[label].names if isinstance(features[label], hub.ClassLabel) else None
    group = None if group is None else _column(root, features, group, "group", [])

    listed: list[FoundImage] = []
    for split, table in tables.items():
        part = parse_part(split, f"Dataset {root}") if several else None
        groups = repeat(None) if group is None else table[group]
        for row, (value, member) in enumerate(zip(table[label], groups, strict=group is not None)):
            if value is None or (words is not None and value < 0):
                raise DataError(f"Row {split}/{row} of {root} has no label. Remove it, or give it one.")
            text = words[value] if words is not None else str(value)
            name = check_unicode("" if member is None else str(member), str(root))
            listed.append(FoundImage(f"{split}/{row}", check_unicode(text, str(root)), part, name or None))
    undecoded = {split: table.cast_column(image, hub.Image(decode=False)) for split, table in tables.items()}
    return Listing(EncodedImages(root, partial(_read_row, root, undecoded, image), OWN_IMAGES), tuple(listed))


def _read_row(root: Path, tables: dict[str, Any], column: str, key: str) -> bytes:
    split, _, row = key.rpartition("/")
    cell = tables[split][int(row)][column]
    if cell["bytes"] is not None:
        return bytes(cell["bytes"])
    try:
        return read_image_file(Path(cell["path"]), OWN_IMAGES)
    except (BadImageError, TypeError) as error:
        problem = error.problem if isinstance(error, BadImageError) else f"cannot be read ({error})"
        raise DataError(
            f"Row {key} of {root} names the file {cell['path']!r}, which {problem}. "
            f"Save the dataset again with the images embedded."
        ) from error


def _column(root: Path, features: Any, named: str | None, what: str, candidates: list[str]) -> str:
    if named is not None and named in features:
        return named
    if named is None and len(candidates) == 1:
        return candidates[0]
    if named is not None:
        raise DataError(f"{root} has no column {named!r}; it has {', '.join(features)}.")
    raise DataError(
        f"{root} has {len(candidates)} columns that could be the {what}, of {', '.join(features)}. "
        f"Name it with --column {'path' if what == 'image' else what}=NAME."
    )
