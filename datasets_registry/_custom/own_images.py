"""What changed in own images since they were added, and a digest of their list."""

from collections.abc import Iterator

from datasets_registry._custom.dataset import CustomReader
from datasets_registry._custom.image_record import image_changes, known_images
from datasets_registry._readers.dataset_files import UNLISTED
from datasets_registry._types import DatasetInfo, DatasetSplits


def image_list(info: DatasetInfo) -> str | None:
    """`DatasetSplits.image_list` of today; None for other datasets. No image is opened.

    Raises DataError without the images, and RegistrationError for a damaged record of them.
    """
    reader = info.reader
    if not isinstance(reader, CustomReader):
        return None
    return reader.image_list(reader.config.listing(reader.base), reader.record)


def news(info: DatasetInfo, splits: DatasetSplits) -> Iterator[str]:
    """What changed in own images since they were added, and those of unknown classes; nothing for other datasets."""
    reader = info.reader
    if not isinstance(reader, CustomReader):
        return
    record = reader.record
    changes = image_changes(record.images, known_images(splits, reader.config.classes)) if record else None
    if changes is not None and changes.any:
        moved = f"; {changes.moved} of them in another part of the split" if changes.moved else ""
        yield f"{info.name} changed since it was added: {changes.text}{moved}. `{reader.command}` records that"
    if unlisted := splits.left_out.get(UNLISTED):
        yield (
            f"not used: {len(unlisted)} of the images, whose classes {info.name} does not list, such as {unlisted[0]}. "
            f"`{reader.command}` adds them"
        )
