"""The options of a sweep as one model, which the command line, a TOML file and `bench.run` build.

A new option of `etl-bench run` is one field here. Its `Option` defines how the command line shows it.
"""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_serializer, field_validator

from bench.bounds import MOST_RETRIES, MOST_WORKERS
from bench.errors import UsageError
from bench.spec import ALL, ALL_SHOTS, shots_value
from bench.sweep.dataset_names import check_demo_backbone, default_protocol
from bench.sweep.device_choice import Devices, check_exists, check_kind, local_devices, parse_device
from bench.sweep.options import (
    LauncherName,
    Option,
    Panel,
    RecipeChoice,
    RerunPolicy,
    TrackerName,
    override_texts,
    parse_choice,
    parse_numbers,
    parse_shots,
    split_list,
)
from datasets_registry import (
    DataError,
    DrawRule,
    EvalProtocol,
    PoolRule,
    SupportRule,
    did_you_mean,
    is_support_rule,
)

DEMO_BACKBONE = "ViT-demo.drawn"
_NAMES = "names or shell-style patterns, comma-separated or repeated; 'all' selects everything"

HOSO = "hoso"
"""`--selection hoso`: hold out one shot of each class, and select on these images in place of validation images."""


class SweepRequest(BaseModel):
    """A sweep: its runs, and how and where they are computed.

    Fields accept lists, or text as on the command line (`"coop,apex"`, `"1,2,4"`).

    Example:
        >>> request = SweepRequest.build(methods="coop,zero_shot", datasets=["spectrum_basic"], seeds=2)
        >>> request.methods, request.seeds
        (['coop', 'zero_shot'], [1, 2])
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    methods: Annotated[list[str], Option(Panel.WHAT, "m")] = Field(
        description=f"Methods: {_NAMES}. Or your own file. Example: -m zero_shot,coop,./mine.py"
    )
    datasets: Annotated[list[str], Option(Panel.WHAT, "d")] = Field(
        description=f"Datasets: {_NAMES}. Example: -d eurosat,dtd"
    )
    backbones: Annotated[list[str], Option(Panel.WHAT, "b")] = Field(
        [DEMO_BACKBONE],
        description="Backbones: arch.tag, hf-hub:ORG/NAME, local-dir:FOLDER, or ARCH=FILE[,quickgelu|,gelu]"
        "[,preprocess=TAG]. Required for all but synthetic datasets. Example: -b ViT-B-16.openai",
    )
    protocol: Annotated[EvalProtocol, Option(Panel.WHAT)] = Field(
        EvalProtocol.BASE_TO_NEW,
        description="base-to-new, few-shot, cross-dataset, domain-generalization or test-time. Default for own images: "
        "few-shot. Example: --protocol few-shot",
    )
    shots: Annotated[list[int], Option(Panel.WHAT)] = Field(
        [16],
        description="Images per class, or 'all' for all training images. Example: --shots 1,2,4,8,16",
    )
    seeds: Annotated[list[int], Option(Panel.WHAT)] = Field(
        [1, 2, 3],
        description="N means seeds 1 to N; lists and ranges also work (1,2,3; 4-6; '7,' is seed 7). Example: --seeds 3",
    )
    targets: Annotated[list[str], Option(Panel.WHAT)] = Field(
        [],
        description="Test datasets of cross-dataset and domain-generalization, as in -d, which names the source. "
        "Example: --targets eurosat,dtd",
    )
    overrides: Annotated[list[str], Option(Panel.WHAT, name="set")] = Field(
        [],
        description="Change a setting of a method or of its recipe; the method may be a pattern. With values A,B each "
        'is run; a value with a comma is JSON: [5,4] or "a, b". Repeatable. Example: --set clip_adapter.ratio=0.2,0.6',
    )

    device: Annotated[str, Option(Panel.WHAT)] = Field(
        "auto",
        description="auto (the first CUDA device with free memory, else MPS, else the CPU; with Ray the CPU), cpu, "
        "cuda, cuda:N, cuda:0,2, all (every CUDA device) or mps. Each run uses one device. Example: --device all",
    )
    jobs: Annotated[int | None, Option(Panel.HOW)] = Field(
        None,
        ge=0,
        description="Worker processes; 0 runs in this process. Default: one per core, or one per GPU. "
        "Each uses OMP_NUM_THREADS threads or, if that is not set, an equal share of the cores.",
    )
    jobs_per_gpu: Annotated[int | None, Option(Panel.HOW)] = Field(
        None, ge=1, le=MOST_WORKERS, description="Runs at a time on each GPU, if there is no --jobs. Default: 1."
    )
    launcher: Annotated[LauncherName, Option(Panel.HOW)] = Field(
        LauncherName.LOCAL,
        description="local (processes here), inline (this process) or ray; see `doctor docs clusters`.",
    )
    rerun: Annotated[RerunPolicy, Option(Panel.HOW)] = Field(
        RerunPolicy.FAILED,
        description="Which runs to compute: missing (runs without a result), failed (also failed runs), stale (also "
        "runs of other code, weights or data) or all.",
    )

    runs: Annotated[Path, Option(Panel.WHAT)] = Field(
        Path("runs"), description="Folder of the runs and their database. Example: --runs my-sweep"
    )
    data_root: Annotated[Path | None, Option(Panel.WHAT, env="ETL_BENCH_DATA")] = Field(
        None, description="Folder that contains the datasets. Synthetic datasets need none. Example: --data-root ~/data"
    )
    cache: Annotated[Path | None, Option(Panel.WHERE, env="ETL_BENCH_CACHE")] = Field(
        None, description="Folder of frozen features. Default: a user cache folder."
    )
    tracker: Annotated[TrackerName, Option(Panel.WHERE)] = Field(
        TrackerName.NONE,
        description="Also log each run as it finishes: none, wandb, trackio or mlflow (`doctor docs compare-methods`).",
    )

    draw: Annotated[str, Option()] = Field(
        "coop",
        description="Few-shot draw: coop (CoOp's images), nested (fewer shots are a subset of more) or file:PATH.",
    )
    allow_fewer: Annotated[bool, Option()] = Field(
        False, description="Take all training images of a class that has fewer than --shots, as CoOp does."
    )
    support: Annotated[list[str], Option()] = Field(
        [],
        description="Change or replace the draw: imbalanced:FACTOR (a long tail of classes), noisy:RATE (wrong "
        "labels), or a support list from `datasets draw` or as JSON lines of path and label. Repeatable.",
    )
    unlabelled: Annotated[str, Option()] = Field(
        "none",
        description="Images that methods may learn from without labels: none, train (training images of the training "
        "classes that have no label in the run), train+new (in base-to-new, of the new classes too), train:N or "
        "train+new:N (N of them), or transductive (the test images). Only methods that need such images see them.",
    )
    teacher: Annotated[Path | None, Option()] = Field(
        None,
        description="Tuned model that methods learn from, a file that `--keep-models` stored, trained on the same "
        "classes and shots. Only methods that need a teacher see it.",
    )
    class_text: Annotated[str, Option()] = Field(
        "template",
        description="Frozen class texts: template (the dataset's), template:TEXT with {}, variant:NAME (a paper's), "
        "ensemble:select7|imagenet80|generic60, or descriptions:FILE.json.",
    )
    selection: Annotated[str | None, Option()] = Field(
        None,
        description="How hyper-parameters or the epoch are selected: last, fixed, validation (a few validation "
        "images), hoso (one held-out shot per class), ensemble (average of all candidates) or oracle (test labels; "
        "marked as oracle). Default: the rule of each method.",
    )
    recipe: Annotated[RecipeChoice, Option(Panel.WHAT)] = Field(
        RecipeChoice.PUBLISHED,
        description="Training settings: published, or demo (short trainings). Example: --recipe demo",
    )
    precision: Annotated[str, Option()] = Field(
        "fp32",
        description="Arithmetic of the frozen towers: fp32, tf32 (NVIDIA GPUs), bf16, or fp16 for stored features.",
    )
    retries: Annotated[int, Option(Panel.HOW)] = Field(
        0,
        ge=0,
        le=MOST_RETRIES,
        description="How often a failed run is repeated at the end of the sweep. A run that ran out of memory is "
        "always repeated: alone on its device and, if necessary, in smaller parts.",
    )
    no_wait: Annotated[bool, Option(Panel.HOW)] = Field(
        False,
        description="End when nothing is left that no other sweep has, instead of waiting for the other sweeps; for "
        "job arrays.",
    )
    timeout: Annotated[float | None, Option(Panel.HOW)] = Field(
        None, ge=0.1, description="Time limit of a run in seconds; a longer run is stopped and marked as failed."
    )
    memory: Annotated[float | None, Option(Panel.HOW)] = Field(
        None,
        ge=0.1,
        description="Memory limit of a worker process in GiB; further allocations fail (Linux, and not with --jobs 0).",
    )
    keep_models: Annotated[Literal["best", "all"] | None, Option()] = Field(
        None,
        description="Keep tuned models in RUNS/models for `predict`: all, or best (for each method and setting, the "
        "seed with the best score on its few validation images, never on test images). Finished runs without a model "
        "run again.",
    )
    folds: Annotated[list[str], Option(hidden=True)] = Field(
        [],
        description="Hold out part of the training images and score it in place of the test images, such as "
        "fold=1/4,repeat=1,most=48. Repeatable. `etl-bench recommend` uses this.",
    )
    runner: Annotated[str, Option(hidden=True)] = Field(
        "bench.experiment.runner", description="Module that computes one run."
    )

    @classmethod
    def build(cls, **values: Any) -> Self:
        """Validate values by field name, with the default protocol of the datasets.

        Raises UsageError for a wrong value, for devices and workers that Ray does not have, and for datasets that need
        a backbone if none is given.
        """
        try:
            request = cls.model_validate(values)
        except ValidationError as error:
            raise _usage_error(error) from None
        parse_device(request.device)
        if not request.here and request.device not in ("auto", "cpu", "cuda"):
            raise UsageError(f"--device {request.device!r}: with --launcher ray the cluster picks; use --device cuda.")
        if not request.here and request.jobs == 0:
            raise UsageError("--jobs 0 runs in this process; with --launcher ray give a number or nothing.")
        if "backbones" not in request.model_fields_set:
            check_demo_backbone(request.datasets, request.targets, DEMO_BACKBONE)
        if "protocol" in request.model_fields_set:
            return request
        protocol = default_protocol(request.datasets, request.protocol)
        return request if protocol is request.protocol else request.model_copy(update={"protocol": protocol})

    @property
    def here(self) -> bool:
        """Whether runs are computed on this machine."""
        return self.launcher in (LauncherName.LOCAL, LauncherName.INLINE)

    @property
    def inline(self) -> bool:
        """Whether runs are computed in this process."""
        return self.here and (self.jobs == 0 or self.launcher is LauncherName.INLINE)

    @property
    def devices(self) -> Devices:
        """Where the runs are computed. With Ray, `auto` is the CPU."""
        if self.here:
            return local_devices(self.device)
        return Devices("cpu" if self.device == "auto" else self.device)

    @property
    def supports(self) -> list[Path]:
        """All support lists, from `--support` and `--draw file:PATH`.

        A list replaces the draw and decides the shots. One that names its dataset and seed is run for these; any other
        needs a single dataset and is run with each seed of the request.
        """
        listed = [Path(self.draw.removeprefix("file:"))] if self.draw.startswith("file:") else []
        return [*(Path(text) for text in self.support if not is_support_rule(text)), *listed]

    @property
    def support_rules(self) -> list[SupportRule]:
        """The rules of `--support` that change the draw. Raises UsageError for one that does not exist."""
        for text in self.support:
            kind = text.partition(":")[0]
            if ":" in text and kind.isalpha() and len(kind) > 1 and not (is_support_rule(text) or Path(text).exists()):
                hint = did_you_mean(kind, ["imbalanced", "noisy"], most=1)
                raise UsageError(
                    f"--support {text!r} is unknown.{hint} Write imbalanced:FACTOR, noisy:RATE or a file's path."
                )
        if "all" in self.support:
            raise UsageError("--support all is written --shots all.")
        try:
            return [SupportRule.parse(text) for text in self.support if is_support_rule(text)]
        except DataError as error:
            raise UsageError(str(error)) from None

    @property
    def pool(self) -> PoolRule | None:
        """The unlabelled images that are declared; None for none. Raises UsageError for another text."""
        if self.unlabelled == "none":
            return None
        try:
            return PoolRule.parse(self.unlabelled)
        except DataError as error:
            raise UsageError(str(error)) from None

    @property
    def draw_rule(self) -> DrawRule:
        """The rule that draws the shots. Support lists have the default, because zero-shot runs record its name."""
        return parse_choice(get_args(DrawRule), "coop" if self.draw.startswith("file:") else self.draw, "--draw")

    def check_devices(self) -> None:
        """Raise UsageError for devices that do not exist here or lack the precision, and for too many workers."""
        devices = self.devices
        if self.here:
            check_exists(self.device, devices)
            if self.jobs is not None and self.jobs > (most := max(MOST_WORKERS, 2 * (os.cpu_count() or 1))):
                raise UsageError(f"--jobs {self.jobs}: this machine runs at most {most} worker processes; give fewer.")
        check_kind(self.device, devices, self.precision)

    @field_validator("methods", "datasets", "backbones", "targets", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        names = [value] if isinstance(value, str) else value
        return split_list(names) if isinstance(names, list | tuple) else value

    @field_validator("overrides", mode="before")
    @classmethod
    def _settings(cls, value: Any) -> Any:
        return override_texts(value) if isinstance(value, Mapping) else [value] if isinstance(value, str) else value

    @field_validator("support", "folds", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        values = [value] if isinstance(value, str | Path) else value
        return [str(item) for item in values] if isinstance(values, list | tuple) else values

    @field_validator("shots", mode="before")
    @classmethod
    def _shots(cls, value: Any) -> Any:
        if isinstance(value, str):
            return parse_shots(value)
        values = [value] if isinstance(value, int) else _whole(value, "shots")
        return [ALL_SHOTS if item == ALL else item for item in values] if isinstance(values, list | tuple) else values

    @field_serializer("shots", when_used="json")
    def _written_shots(self, value: list[int]) -> list[int | str]:
        return [shots_value(shots) for shots in value]

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, value: Any) -> Any:
        if isinstance(value, str | int):
            return parse_numbers(str(value), "--seeds", lone_is_count=True)
        return _whole(value, "seeds")

    @field_validator("protocol", "recipe", "rerun", "launcher", "tracker", mode="before")
    @classmethod
    def _choice(cls, value: Any, info: Any) -> Any:
        kind: Any = cls.model_fields[info.field_name].annotation
        return parse_choice(kind, value, f"--{info.field_name}") if isinstance(value, str) else value

    @field_validator("runner")
    @classmethod
    def _runner(cls, value: str) -> str:
        try:
            spec = find_spec(value)
        except (ImportError, ValueError):
            spec = None
        if spec is None:
            raise UsageError(f"--runner {value!r} is no Python module that can be imported here.")
        return value

    @field_validator("precision", "draw", "selection")
    @classmethod
    def _known(cls, value: str | None, info: Any) -> str | None:
        from methods import Precision, Selection

        if value is None:
            return None
        if info.field_name == "precision":
            parse_choice(Precision, value, "--precision")
        elif info.field_name == "selection":
            if value not in (allowed := (*get_args(Selection), HOSO)):
                raise UsageError(f"--selection {value!r} is unknown. Allowed: {', '.join(allowed)}.")
        elif not value.startswith("file:"):
            parse_choice(get_args(DrawRule), value, "--draw")
        return value


def option_of(field: str) -> Option:
    """How the command line shows a field of SweepRequest."""
    return next(item for item in SweepRequest.model_fields[field].metadata if isinstance(item, Option))


def option_name(field: str) -> str:
    """Long name of a field's option, without dashes in front."""
    return option_of(field).name or field.replace("_", "-")


def _whole(value: Any, name: str) -> Any:
    """A list as it is; raises UsageError for a value that is no list, such as 3.0."""
    if isinstance(value, list | tuple):
        return value
    raise UsageError(f"{name} = {value!r} is not a list of whole numbers; write {name} = 3 or {name} = [1, 2, 3].")


def _usage_error(error: ValidationError) -> UsageError:
    """The first problem as one line in the command line's words."""
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, UsageError):
        return cause
    field = str(first["loc"][0])
    if field not in SweepRequest.model_fields:
        allowed = ", ".join(SweepRequest.model_fields)
        return UsageError(f"{field!r} is not an option of a sweep. Allowed: {allowed}.")
    option = f"--{option_name(field)}"
    if first["type"] == "missing":
        return UsageError(f"Missing option {option}. Give it on the command line or in the sweep file.")
    return UsageError(f"{option} {first['input']!r}: {first['msg']}.")
