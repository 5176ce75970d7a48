"""Published facts about the overlap of datasets with the pretraining data of backbones."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field

from datasets_registry._types import DatasetInfo


class SeenImages(BaseModel):
    """Test images that are known to be in the pretraining data of a backbone, or known not to be.

    Attributes:
        share: of the test images that overlap, 0..1; None if images overlap and the share is not published.
        statement: what the source states; with the source where `seen_images` returns it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float | None = Field(None, ge=0, le=1)
    statement: str


class OverlapStudy(BaseModel):
    """The statements of one source about the overlap of one pretraining dataset.

    Attributes:
        pretraining: name of the pretraining data.
        tags: prefixes of open_clip's pretrained tags of models that were trained on it.
        text: the statement for datasets that are not in `datasets`.
        datasets: statements about single datasets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pretraining: str
    tags: tuple[str, ...] = Field(min_length=1)
    text: str
    source: str
    url: str = Field(pattern="^https://")
    datasets: Mapping[str, SeenImages] = {}

    def statement(self, dataset: str) -> str:
        """The statement about a dataset, with its source."""
        text = self.datasets[dataset].statement if dataset in self.datasets else self.text
        return f"{self.pretraining}: {text} ({self.source})"


@cache
def overlap_studies() -> tuple[OverlapStudy, ...]:
    """All studies, in the order of the file."""
    path = resources.files("datasets_registry") / "data" / "pretraining_overlap.toml"
    return tuple(OverlapStudy.model_validate(item) for item in tomllib.loads(path.read_text(encoding="utf-8"))["study"])


def pretraining_overlap(info: DatasetInfo, backbone: str | None = None) -> tuple[str, ...]:
    """Published statements about the overlap of a dataset with pretraining data, each with its source.

    Args:
        backbone: slug `arch.tag`, for the statements about its pretraining data; None for all.

    Empty for synthetic datasets, a user's own images, and backbones with random or local weights. For a pretrained
    backbone without a study, the only statement is that nothing is published.

    Example:
        >>> from datasets_registry import get_dataset
        >>> pretraining_overlap(get_dataset("gtsrb"), "ViT-B-16.openai")[0][:51]
        "OpenAI's 400 million pairs: No overlap was detected"
    """
    if info.synthetic or info.own_images:
        return ()
    if backbone is None:
        return tuple(study.statement(info.name) for study in overlap_studies())
    tag = backbone.partition(".")[2]
    statements = tuple(study.statement(info.name) for study in overlap_studies() if tag.startswith(study.tags))
    if statements or not tag or tag.startswith(("random", "local-", "drawn")) or info.backbone is not None:
        return statements
    return (f"Nothing is published about the overlap of {info.title} with the pretraining data of {backbone}.",)


def seen_images(info: DatasetInfo, backbone: str) -> SeenImages | None:
    """The overlap of a dataset's test images with the pretraining data of a backbone; None if none is published.

    Args:
        backbone: slug `arch.tag`.

    Example:
        >>> from datasets_registry import get_dataset
        >>> seen_images(get_dataset("country211"), "ViT-B-16.openai").share
        0.215
    """
    tag = backbone.partition(".")[2]
    for study in overlap_studies():
        if tag.startswith(study.tags) and info.name in study.datasets and not info.own_images:
            return study.datasets[info.name].model_copy(update={"statement": study.statement(info.name)})
    return None
