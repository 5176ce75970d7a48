"""The spec of one run: everything that decides its result. Its canonical JSON hashes to the run id."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from bench._util.words import counted
from bench.bounds import Count, LargeCount, Line, Name, Settings
from datasets_registry import DrawRule, EvalProtocol, canonical_json, is_support_rule

SPEC_VERSION = 1
PUBLISHED_RECIPES = ("published", "published by dataset")
"""Names of recipes with the values of a method's paper or official code."""
CUSTOM_RECIPE = "custom"
"""Name of a recipe with a value that was set by hand."""
OPEN_BASE, OPEN_NEW = "open-base", "open-new"
"""Splits of the open score: base images, and new images, each among all names."""
EXTERNAL = "external:"
"""Beginning of the names of methods whose predictions were computed elsewhere."""
OTHER_MODELS = "other-models"
"""The backbone of runs of models that are not CLIPs, so that they are never ranked under one; the model itself is a
setting."""
DEMO_RECIPE = "demo"
"""Name of the recipes that `methods.demo_recipe` makes."""


class Part(StrEnum):
    """What runs with different values of an axis do not share."""

    BOARD = "board"  # a leaderboard: the methods learn from something else
    ROW = "row"  # a row of it, like a setting of the method
    RUN = "run"  # nothing but the run id


@dataclass(frozen=True)
class Axis:
    """A field of a spec that few runs set; the run id leaves it out while it has its default.

    Args:
        name: of the field, and of the column in the database.
        default: as JSON.
        stored: whether the spec as JSON has it while it has its default.
        column: whether the database has it.
        of_board: what of the value a leaderboard states; empty for a board without it.
        text: the stated value in titles and messages.
        option: of `run`; `{}` is the stated value.
        difference: how runs with it differ from a published number; `{}` is the value, `{!r}` in quotes.
        trained: whether it changes only what a method trains on, so that training-free methods do not have it.
        setting: its name among the settings of a row.
        usual: the value of that setting in rows that do not state it.
    """

    name: str
    part: Part
    default: object = None
    stored: bool = True
    column: bool = True
    of_board: Callable[[str], str] = str
    text: str = "{}"
    option: str = ""
    difference: str = ""
    trained: bool = False
    setting: str = ""
    usual: str = ""

    def difference_text(self, value: str) -> str:
        """How runs with this value differ from a published number."""
        return (self.difference or f"Our runs have {self.name} {{!r}}.").format(value)


def _rule_of(support: str) -> str:
    return support if is_support_rule(support) else ""


AXES = (
    Axis("targets", Part.RUN, default=[]),
    Axis(
        "support", Part.BOARD, of_board=_rule_of, option="--support {}", trained=True,
        difference="Our runs train on the support {!r}.",
    ),
    Axis("class_text", Part.ROW, setting="class_text", usual="template"),
    Axis("epoch_selection", Part.ROW, setting="epoch", usual="last"),
    Axis("allow_fewer", Part.RUN, default=False, stored=False, column=False),
    Axis("fold", Part.RUN, stored=False, column=False),
    Axis("held_out_shot", Part.ROW, default=False, stored=False),
    Axis(
        "unlabelled", Part.BOARD, stored=False, text="unlabelled {}", option="--unlabelled {}",
        difference="Our runs also learn from unlabelled images ({}).",
    ),
    Axis(
        "teacher", Part.BOARD, stored=False, of_board=lambda teacher: teacher_parts(teacher)[0], text="teacher {}",
        option="--teacher FILE", difference="Our runs learn from the teacher {!r}.",
    ),
)  # fmt: skip
"""Every such field, in one place: run ids, titles, settings of boards, rows, diffs and conditions read it."""
LEARNED = tuple(axis for axis in AXES if axis.part is Part.BOARD)
"""The axes that make a leaderboard of their own besides backbone, protocol, shots, draw and precision."""
NOTHING_LEARNED = ("",) * len(LEARNED)
COLUMNS = tuple(axis.name for axis in AXES if axis.column and axis.stored)
"""The axes in the database that the JSON of every spec has."""
LATER_COLUMNS = tuple(axis.name for axis in AXES if axis.column and not axis.stored)
"""The axes in the database that the JSON of most specs leaves out."""


def learned_values(fields: Callable[[str], object]) -> tuple[str, ...]:
    """What a leaderboard states of `LEARNED`, from the fields of a spec or a row of a frame; empty for defaults.

    Example:
        >>> learned_values({"support": "noisy:0.2", "teacher": None}.get)
        ('noisy:0.2', '', '')
    """
    pairs = [(axis, fields(axis.name)) for axis in LEARNED]
    return tuple(axis.of_board(str(value)) if isinstance(value, str) else "" for axis, value in pairs)


def learned_texts(values: Sequence[str]) -> list[str]:
    """The values of `LEARNED` as texts, without empty ones."""
    return [axis.text.format(value) for axis, value in zip(LEARNED, values, strict=True) if value]


class ExperimentSpec(BaseModel):
    """One run: a method with all its settings, on one backbone, one materialised task, one seed.

    Specs are usually made by `bench.sweep.expand`, which fills in every default.

    Example:
        >>> spec = ExperimentSpec(
        ...     method="zero_shot", config={}, recipe=None, backbone="ViT-demo.drawn", dataset="spectrum_basic",
        ...     task_fingerprint="891d9ce6dd36bbd80c599b6daeb3d4b6", draw="coop", protocol="base-to-new", shots=0,
        ...     seed=0,
        ... )
        >>> spec.run_id
        '29424c85d2cff747'
        >>> spec.label()
        'zero_shot on spectrum_basic, base-to-new, 0 shots, seed 0'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SPEC_VERSION
    method: Name
    config: Settings = Field(description="every setting of the method, including defaults")
    recipe: Settings | None = Field(description="every training setting; None for a training-free method")
    backbone: Name = Field(description="slug `arch.tag`, or `OTHER_MODELS`")
    dataset: Name
    task_fingerprint: Line = Field(description="digest of support manifest, class names, template and evaluation lists")
    draw: DrawRule
    protocol: EvalProtocol
    shots: Count
    seed: LargeCount
    precision: Name = Field("fp32", description="arithmetic of the frozen towers")
    targets: tuple[Name, ...] = Field((), description="datasets scored besides the source, sorted")
    support: Line | None = Field(
        None,
        description="digest of an imported support list, for draw `file`; or what changes the draw: "
        "`imbalanced:FACTOR`, `noisy:RATE` or `all`",
    )
    class_text: Line | None = Field(None, description="class texts in place of the template; ends with their digest")
    epoch_selection: Literal["validation", "oracle"] | None = Field(
        None, description="images that choose the epoch of a method without a search of its own; None keeps the last"
    )
    fold: Line | None = Field(
        None, description="training images that are held out and scored in place of the test part"
    )

    allow_fewer: bool = Field(
        False, description="some class has fewer training images than shots, and all of them are used"
    )
    held_out_shot: bool = Field(
        False, description="one of the shots of each class is held out and selects in place of validation images"
    )
    unlabelled: Line | None = Field(
        None,
        pattern=r"^(train(\+new)?(:[1-9][0-9]{0,17})?|transductive)$",
        description="images that the method learns from without labels: `train`, `train:N`, `train+new`, `train+new:N` "
        "or `transductive`; None without such images",
    )
    teacher: Line | None = Field(
        None,
        pattern=r"^[^@]+@[^#]+#[0-9a-f]{8}:[0-9a-f]{32}$",
        description="the tuned model that the method learns from, as `METHOD@BACKBONE#SETTINGS:CONTENT` with two "
        "digests; None without one",
    )

    @model_serializer(mode="wrap")
    def _without_defaults_of_rare_fields(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the fields that few runs set while they have their default."""
        values: dict[str, Any] = serialize(self)
        return _without(values, (axis for axis in AXES if not axis.stored))

    @property
    def run_id(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical JSON.

        A field of `AXES` counts only if it differs from its default.
        """
        values = _without(self.model_dump(mode="json"), AXES)
        return hashlib.sha256(canonical_json(values).encode()).hexdigest()[:16]

    @property
    def support_rule(self) -> str | None:
        """What changes the draw, such as `noisy:0.2`; None for a plain draw and for a support list."""
        return self.support if self.support is not None and is_support_rule(self.support) else None

    def label(self) -> str:
        """A short description, for progress and messages."""
        up_to = "up to " if self.allow_fewer else ""
        shots = f"{up_to}{self.shots} shot{'' if self.shots == 1 else 's'}"
        learned = learned_texts(learned_values(vars(self).get))
        if self.support_rule == "all":
            shots, *learned = ["all training images", *learned[1:]]
        shots = ", ".join([shots, *learned])
        targets = f" to {len(self.targets)} targets" if self.targets else ""
        return f"{self.method} on {self.dataset}{targets}, {self.protocol}, {shots}, seed {self.seed}"


def _without(values: dict[str, Any], axes: Iterable[Axis]) -> dict[str, Any]:
    """The values without the axes that have their default."""
    left_out = {axis.name for axis in axes if values.get(axis.name, axis.default) == axis.default}
    return {name: value for name, value in values.items() if name not in left_out}


def teacher_parts(teacher: str) -> tuple[str, str]:
    """The kind of a spec's teacher, which leaderboards state, and the digest of its content.

    Example:
        >>> teacher_parts("promptsrc@ViT-L-14.openai#0a1b2c3d:" + 32 * "f")[0]
        'promptsrc@ViT-L-14.openai#0a1b2c3d'
    """
    kind, _, digest = teacher.rpartition(":")
    return kind, digest


def external_parts(method: str) -> tuple[str, str] | None:
    """What a method of other code calls itself, and where its predictions come from; None for our own methods.

    Example:
        >>> external_parts("external:KgCoOp"), external_parts("kgcoop")
        (('KgCoOp', 'imported predictions'), None)
    """
    return (method.removeprefix(EXTERNAL), "imported predictions") if method.startswith(EXTERNAL) else None


ALL_SHOTS = 2**31 - 1
"""Means all training images, however many a class has. It is larger than any number of shots, so it sorts last."""


ALL = "all"
"""Its text in `--shots` and JSON."""


def shots_text(shots: int) -> str:
    """A number of shots as text.

    Example:
        >>> shots_text(1), shots_text(16), shots_text(ALL_SHOTS)
        ('1 shot', '16 shots', 'all training images')
    """
    return "all training images" if shots == ALL_SHOTS else counted(shots, "shot")


def shots_value(shots: int) -> int | str:
    """A number of shots as a JSON value: `all` for all training images."""
    return ALL if shots == ALL_SHOTS else shots
