"""A recipe: the training settings of one method under one protocol, as plain data with its source."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Set
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_serializer, model_validator

from datasets_registry import EvalProtocol

Optimizer = Literal["sgd", "adam", "adamw", "adadelta"]
"""Optimisers used by published methods; weight decay is coupled (L2) except in adamw."""
Warmup = Literal["none", "constant", "linear"]
"""Dassl's warm-up kinds. `constant`: warm-up epochs run at `warmup_lr`. `linear`: from `warmup_lr` up to `lr`."""
Schedule = Literal["dassl", "cosine", "wave", "constant"]
"""Course of the learning rate after the warm-up.

`dassl`: per epoch, a cosine that never reaches 0. `cosine`: per step, from `lr` down to `min_lr` over all steps.
`wave`: per step, a cosine between `lr` and `min_lr` whose half period is the number of epochs, counted in steps, so
the rate falls and rises again (CLIP-SVD, base-to-new). `constant`: stays at `lr`.
"""
LARGEST_RATE, MOST_EPOCHS, MOST_STEPS = 100.0, 100_000, 10_000_000
"""Bounds of learning rates and weight decay, of epochs, and of steps; a larger value is a typing error."""
_Rate = Annotated[float, Field(le=LARGEST_RATE)]
_Epochs = Annotated[int, Field(le=MOST_EPOCHS)]
_Steps = Annotated[int, Field(le=MOST_STEPS)]

PUBLISHED, PUBLISHED_BY_DATASET = "published", "published by dataset"
"""Names of published recipes: with the same settings for all datasets, or with settings that differ by dataset."""


def checked_table(
    model: type[BaseModel], table: Mapping[str, Mapping[str, Any]], shared: Set[str]
) -> dict[str, dict[str, Any]]:
    """Values of fields by dataset, each as its field has it, also when it comes from JSON.

    Raises ValueError for an invalid value, or one of a field in `shared`, which all datasets share.
    """
    checked_values = {}
    for name, values in table.items():
        if barred := values.keys() & shared:
            raise ValueError(f"by_dataset of {name} has {min(barred)}, which all datasets share.")
        try:
            checked = model.model_validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ValueError(f"{'.'.join(map(str, (name, *first['loc'])))}: {first['msg']}.") from error
        checked_values[name] = {key: getattr(checked, key) for key in values}
    return checked_values


def without_fields(table: Mapping[str, Mapping[str, Any]], fields: Container[str]) -> dict[str, dict[str, Any]]:
    """Values of fields by dataset without these fields: a value that is set holds on every dataset."""
    remaining = {
        name: {key: value for key, value in values.items() if key not in fields} for name, values in table.items()
    }
    return {name: values for name, values in remaining.items() if values}


def own_values(table: Mapping[str, Mapping[str, Any]], dataset: str, shots: int) -> dict[str, Any]:
    """The values of a dataset; those of a key such as `dtd@16` hold with 16 shots only."""
    return {**table.get(dataset, {}), **table.get(f"{dataset}@{shots}", {})}


class Recipe(BaseModel):
    """Training settings that do not belong to the method itself. Part of a run's identity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(
        PUBLISHED,
        description="`published`, `published by dataset`, `demo`, or `custom` if a value was set by hand",
    )
    source: str = Field("", description="where the values are published")
    optimizer: Optimizer = "sgd"
    lr: _Rate = Field(0.002, gt=0, description="base learning rate")
    momentum: float = Field(0.9, ge=0, lt=1, description="SGD only; Dassl's default")
    weight_decay: _Rate = Field(5e-4, ge=0, description="Dassl's default, although no yaml shows it")
    epochs: _Epochs = Field(50, ge=1, description="passes over the support set")
    epochs_by_shots: dict[int, _Epochs] = Field(default_factory=dict, description="overrides `epochs` for these shots")
    by_dataset: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="other values of fields on some datasets, such as {imagenet: {epochs: 5}}, or {dtd@16: {lr: 0.1}} "
        "with 16 shots; left out where empty",
    )
    steps_per_shot: _Steps = Field(0, ge=0, description="length as steps = this x shots instead of epochs (CLIP-LoRA)")
    steps: _Steps = Field(0, ge=0, description="length in steps, whatever the shots, instead of epochs (cross-modal)")
    batch_size: _Steps = Field(32, ge=0, description="images per step; 0: the whole support set")
    drop_last: bool = Field(True, description="drop an epoch's incomplete last batch once there is a whole one; Dassl")
    schedule: Schedule = "dassl"
    min_lr: _Rate = Field(0.0, ge=0, description="where the `cosine` schedule ends; the lowest rate of `wave`")
    eps: float | None = Field(None, gt=0, description="eps of adam and adamw; None: torch's default")
    warmup: Warmup = "constant"
    warmup_epochs: _Epochs = Field(1, ge=0)
    warmup_lr: _Rate = Field(1e-5, gt=0)
    warmup_steps: _Steps = Field(
        0, ge=0, description="warm-up of `cosine`: steps with a linear rate from `warmup_lr` to `lr` (cross-modal)"
    )
    views: _Epochs = Field(0, ge=0, description="0: a fresh augmented view every epoch; N: N views cycled")
    crop_scale: tuple[float, float] = Field((0.08, 1.0), description="area range of the random resized crop")
    augment: bool = Field(True, description="False: every epoch shows the centre view, as in evaluation")

    @model_validator(mode="after")
    def _crop_scale_is_a_range(self) -> Recipe:
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            raise ValueError(f"crop_scale {self.crop_scale} is not a range in (0, 1]; give the smaller number first.")
        return self

    @field_validator("by_dataset")
    @classmethod
    def _values_of_datasets(cls, table: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Each value as its field has it, also when it comes from JSON."""
        return checked_table(cls, table, {"name", "source", "by_dataset", "epochs_by_shots"})

    @model_serializer(mode="wrap")
    def _without_empty_table(self, plain: Callable[[Recipe], dict[str, Any]]) -> dict[str, Any]:
        """Leaves out an empty `by_dataset`."""
        return {key: value for key, value in plain(self).items() if value or key != "by_dataset"}

    def for_dataset(self, name: str) -> Recipe:
        """The recipe with the values of one dataset, after `for_shots` if some are of a number of shots.

        A spec stores the whole table: one recipe for all datasets. Epochs of the dataset hold for any number of shots.
        """
        of_dataset = self.by_dataset.get(name, {})
        epochs: dict[str, Any] = {"epochs_by_shots": {}} if "epochs" in of_dataset else {}
        return self.model_copy(update={"by_dataset": {}} | epochs | of_dataset)

    def for_shots(self, shots: int) -> Recipe:
        """The recipe with the values for that many shots, so that identical training has identical recipes."""
        names = dict.fromkeys(name.partition("@")[0] for name in self.by_dataset)
        by_dataset = {name: own_values(self.by_dataset, name, shots) for name in names}
        table = {name: values for name, values in by_dataset.items() if values}
        return self.model_copy(update={"epochs": self.epochs_for(shots), "epochs_by_shots": {}, "by_dataset": table})

    @property
    def repeats_views(self) -> bool:
        """Whether an epoch repeats views of an earlier epoch."""
        return not self.augment or self.views > 0

    def on_stored_features(self) -> Recipe:
        """The recipe for imported features, which have no views: no augmentation, and `stored features` in its name."""
        return self.model_copy(update={"augment": False, "views": 0, "name": f"{self.name}, stored features"})

    def epochs_for(self, shots: int) -> int:
        """Number of epochs for that many shots."""
        return self.epochs_by_shots.get(shots, self.epochs)

    def steps_per_epoch(self, n: int) -> int:
        """Number of batches of an epoch over `n` images."""
        size = min(self.batch_size or n, n)
        return n // size if self.drop_last else math.ceil(n / size)

    def epochs_and_steps(self, n: int, shots: int) -> tuple[int, int]:
        """Number of epochs over `n` images, of which the last may be incomplete, and total number of steps."""
        per_epoch = self.steps_per_epoch(n)
        if steps := self.steps or self.steps_per_shot * shots:
            return math.ceil(steps / per_epoch), steps
        epochs = self.epochs_for(shots)
        return epochs, epochs * per_epoch


SettingsT = TypeVar("SettingsT")


def for_transfer(settings: SettingsT) -> dict[EvalProtocol, SettingsT]:
    """The same settings for cross-dataset transfer and domain generalisation, as in most papers."""
    return dict.fromkeys((EvalProtocol.CROSS_DATASET, EvalProtocol.DOMAIN_GENERALIZATION), settings)


def demo_recipe(published: Recipe) -> Recipe:
    """A short recipe for laptops, named `demo`: fewer epochs over a few views that all methods share.

    Optimiser, schedule and batch size are the published ones, except that batches below 16 become 16 and the learning
    rate is multiplied by the square root of the ratio: a synthetic image costs less than the overhead of a step.
    """
    small = 0 < published.batch_size < 16
    return published.model_copy(
        update={
            "name": "demo",
            "source": f"short demo settings; published: {published.source}",
            "epochs": min(published.epochs, 10),
            "epochs_by_shots": {},
            "by_dataset": {},
            "steps_per_shot": min(published.steps_per_shot, 5),
            "steps": min(published.steps, 500),
            "views": 5,
            "batch_size": 16 if small else published.batch_size,
            "lr": published.lr * (16 / published.batch_size) ** 0.5 if small else published.lr,
        }
    )
