"""The digest by which a kept model knows whether its images are those of today."""

from datasets_registry._custom.dataset import CustomReader
from datasets_registry._types import DatasetInfo


def image_list(info: DatasetInfo) -> str | None:
    """`DatasetSplits.image_list` of today; None for other datasets. No image is opened.

    Raises DataError without the images, and RegistrationError for a damaged record of them.
    """
    reader = info.reader
    if not isinstance(reader, CustomReader):
        return None
    return reader.image_list(reader.config.listing(reader.base), reader.record)
