"""What a feature pack has: the facts of its backbone and datasets, their lists of images, and the names of its files.

A pack is a zip with a list of its files, their sizes and digests. `contents.json` has the facts; for dataset number N,
`N.json` has the lists, `N-images.f32` the centre views and `N-texts.f32` the class texts, and `N-V-I.f32` view I of
the views V of its support images. The `.f32` files are rows of little-endian 32-bit floats, the arithmetic of runs.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from bench.bounds import MOST_CLASSES, MOST_IMAGES, MOST_SETTINGS, Classes, ClassName, Count, Finite, Line, Name
from bench.results import ArchiveKind
from datasets_registry import GIB, LARGEST_JSON, DataError, foreign_files

CONTENTS = "contents.json"
MOST_DATASETS = 200
MOST_FILES = 100_000
"""Files of a pack. Each augmented view has one for each seed; a training of 200 epochs shows 200 views."""
LARGEST_ROWS = 8 * GIB
"""Features of one view of the images of a dataset: a million images with 2,048 numbers each."""
_FILE = re.compile(r"\d{1,3}(\.json|-(images|texts|\d{1,6}-\d{1,6})\.f32)")

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ShortDigest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Share = Annotated[float, Field(gt=0, le=1)]
Position = Annotated[int, Field(ge=0, lt=2 * MOST_IMAGES)]
ModelT = TypeVar("ModelT", bound=BaseModel)


class PackError(DataError):
    """A feature pack cannot be made, is not one, was altered, or lacks something."""


def _largest(name: str) -> int:
    """The largest size of a file of a pack; 0 for a name that is not allowed."""
    if name == CONTENTS or (_FILE.fullmatch(name) and name.endswith(".json")):
        return LARGEST_JSON
    return LARGEST_ROWS if _FILE.fullmatch(name) else 0


PACK = ArchiveKind(
    title="pack",
    version=1,
    most_files=MOST_FILES,
    largest=_largest,
    member="the path of a file of a pack",
    command="etl-bench datasets pack",
    refusal="Nothing of it was used; obtain the pack again.",
    error=PackError,
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PackedTower(_Frozen):
    """The backbone that computed the features.

    Args:
        digest: of its weights.
        arithmetic: how its towers computed, such as `fp32.cuda90`.
    """

    slug: Name
    digest: ShortDigest
    arithmetic: Line
    dim: Annotated[int, Field(ge=1, le=2**16)]
    logit_scale: Annotated[float, Field(gt=0, le=1e6)]
    logit_bias: Finite | None = None


class PackedViews(_Frozen):
    """The first `count` augmented views of the support images of a seed."""

    crop_scale: tuple[Share, Share]
    seed: Count
    count: Annotated[int, Field(ge=1, le=MOST_FILES)]


class PackedDataset(_Frozen):
    """The facts of a dataset in a pack.

    Args:
        shots: of its draws as text, such as `16`.
        templates: templates of its class texts, and whether class names keep their underscores.
        texts: name and length of each list of class texts, in the order of their rows.
    """

    name: Line
    title: Line
    licence: Line
    homepage: Line
    draw: Line
    shots: tuple[Line, ...]
    seeds: tuple[Count, ...]
    images: Annotated[int, Field(ge=1, le=2 * MOST_IMAGES)]
    views: tuple[PackedViews, ...] = ()
    templates: tuple[tuple[Line, bool], ...]
    texts: Annotated[tuple[tuple[ShortDigest, Classes], ...], Field(max_length=MOST_SETTINGS)]


class PackContents(_Frozen):
    """The facts of a pack."""

    tower: PackedTower
    datasets: Annotated[tuple[PackedDataset, ...], Field(min_length=1, max_length=MOST_DATASETS)]

    @property
    def names(self) -> list[str]:
        """The names of its datasets."""
        return [one.name for one in self.datasets]


class PackedLists(_Frozen):
    """The images of a dataset, and those of which the pack has features.

    Args:
        keys: of the train, val and test images, one after the other; `labels` and `groups` have as many.
        parts: numbers of train, val and test images.
        images: places in `keys` of the images with features, in the order of their rows; `digests` has as many.
        rules: the rules that change the pixels of an image, by its row.
        support: rows of the support images, by seed.
    """

    class_names: Annotated[tuple[ClassName, ...], Field(min_length=1, max_length=MOST_CLASSES)]
    keys: tuple[Line, ...]
    labels: tuple[Count, ...]
    groups: tuple[Line | None, ...] | None = None
    parts: tuple[Count, Count, Count]
    images: tuple[Position, ...]
    digests: tuple[Digest, ...]
    rules: dict[Position, tuple[Line, ...]] = {}
    support: dict[Count, tuple[Position, ...]] = {}

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        n, rows = len(self.keys), len(self.images)
        lengths = {n, len(self.labels), sum(self.parts), n if self.groups is None else len(self.groups)}
        if len(lengths) > 1 or rows != len(self.digests):
            raise ValueError("its lists of images have different lengths")
        if max(self.labels, default=0) >= len(self.class_names) or max(self.images, default=0) >= n:
            raise ValueError("a label or an image is not in its lists")
        if any(row >= rows for row in (*self.rules, *(row for some in self.support.values() for row in some))):
            raise ValueError("a support image has no features")
        return self


def checked_model(model: type[ModelT], content: bytes) -> ModelT:
    """A model from JSON; raises ValueError with one line for other content."""
    try:
        return model.model_validate(foreign_files.parse_json(content))  # its values are counted before they are made
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"][:5]))
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from None


def text_list(texts: Sequence[str]) -> str:
    """The name of a list of texts. The length of the others decides the last bits of a feature, so lists are kept."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:32]
