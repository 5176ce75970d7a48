"""How a run is carried out: device, threads, caches, folders. Nothing here may change a result or a run id."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.spec import ExperimentSpec

CACHE_LIMIT = 20 * 2**30
"""Default size of the feature cache in bytes. Beyond it, the least recently used features are deleted."""

HIDDEN_LIMIT = 8 * 2**30
"""Default share of the cache for hidden states on the CPU: about fourteen thousand images on ViT-B/16."""

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
    fast: bool = Field(False, description="allow CUDA kernels that are not deterministic")
    threads: int = Field(1, ge=1, description="torch's intra-op threads per process")
    files: dict[str, Path] = Field({}, description="files that specs name by digest, such as support lists")
    cache_limit: int = Field(CACHE_LIMIT, ge=0, description="size limit of `cache_dir` in bytes")
    keep_branches: bool = Field(False, description="store both branches of an ensemble with its predictions")
    curve: bool = Field(False, description="record the accuracy along the training")
    prediction_sets: float | None = Field(
        None, gt=0, lt=1, description="promised coverage of the prediction sets that a run scores; None scores none"
    )
    keep_models: Literal["best", "all"] | None = Field(None, description="which tuned models the sweep keeps")
    hidden_limit: int | None = Field(
        None, ge=0, description="bytes of the cache for hidden states; None: `HIDDEN_LIMIT` on the CPU, 0 on a GPU"
    )
    pixel_limit: int = Field(
        PIXEL_LIMIT, ge=0, description="bytes of the cache for pixels of evaluated images; 0 stores none"
    )
    eval_batch: int = Field(128, ge=1, description="test images per batch; results depend on it by rounding only")
    checkpoints: Path | None = Field(
        None, description="folder of checkpoints of unfinished trainings; None writes none"
    )
    alongside: tuple[ExperimentSpec, ...] = Field(
        (), description="runs that differ from this one in their seed only and may train together with it"
    )
    shares_training: bool = Field(
        False, description="keep the end of this run's training for the next runs of this process that have the same"
    )
    checkpoint_seconds: float = Field(60.0, ge=0, description="seconds of training between two checkpoints")

    @property
    def hidden_bytes(self) -> int:
        """Bytes of the cache for hidden states. A GPU recomputes them about as fast as it reads them."""
        if self.hidden_limit is not None:
            return self.hidden_limit
        return HIDDEN_LIMIT if self.device == "cpu" else 0

    def absolute(self) -> RunContext:
        """The same context with absolute paths, for processes that start in another folder."""
        return self.model_copy(update={name: _absolute(value) for name, value in self})


def _absolute(value: object) -> object:
    if isinstance(value, Path):
        return value.absolute()
    if isinstance(value, dict):
        return {key: _absolute(item) for key, item in value.items()}
    return value
