"""How a run is carried out: device, threads, caches, folders. It changes no run id, and results only by rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

CACHE_LIMIT = 20 * 2**30
"""Default size of the feature cache in bytes. Beyond it, the least recently used features are deleted."""

PIXEL_LIMIT = 8 * 2**30
"""Default share of the cache for evaluated images: the 50,000 of ImageNet at 224 pixels."""


class RunContext(BaseModel):
    """Everything about a run that its spec does not decide.

    The command line builds it once. Workers on any machine receive it as JSON (`model_dump_json`), so a new field
    reaches them without further code.

    Example:
        >>> context = RunContext(device="cpu", threads=2)
        >>> RunContext.model_validate_json(context.model_dump_json()) == context
        True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_root: Path | None = Field(None, description="folder of the datasets; None if only synthetic ones are used")
    cache_dir: Path | None = Field(None, description="folder of the feature cache; None keeps features in memory")
    weights: dict[str, Path] = Field({}, description="local weight files by backbone slug")
    device: str = Field("cpu", description="`cpu`, `cuda`, `cuda:N` or `mps`")
    threads: int = Field(1, ge=1, description="torch's intra-op threads per process")
    files: dict[str, Path] = Field({}, description="files that specs name by digest, such as support lists")
    cache_limit: int = Field(CACHE_LIMIT, ge=0, description="size limit of `cache_dir` in bytes")
    keep_models: Literal["best", "all"] | None = Field(None, description="which tuned models the sweep keeps")
    pixel_limit: int = Field(
        PIXEL_LIMIT, ge=0, description="bytes of the cache for pixels of evaluated images; 0 stores none"
    )
    eval_batch: int = Field(128, ge=1, description="test images per batch; results depend on it by rounding only")
    checkpoints: Path | None = Field(
        None, description="folder of checkpoints of unfinished trainings; None writes none"
    )
    checkpoint_seconds: float = Field(60.0, ge=0, description="seconds of training between two checkpoints")

    def absolute(self) -> RunContext:
        """The same context with absolute paths, for processes that start in another folder."""
        return self.model_copy(update={name: _absolute(value) for name, value in self})


def _absolute(value: object) -> object:
    if isinstance(value, Path):
        return value.absolute()
    if isinstance(value, dict):
        return {key: _absolute(item) for key, item in value.items()}
    return value
