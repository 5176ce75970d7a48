"""The spec of one run: everything that decides its result. Its canonical JSON hashes to the run id."""

import hashlib
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from bench._util.words import counted
from bench.bounds import Count, LargeCount, Line, Name, Settings
from datasets_registry import DrawRule, EvalProtocol, SupportKind, canonical_json, is_support_rule

SPEC_VERSION = 1
PUBLISHED_RECIPES = ("published", "published by dataset")
"""Names of recipes with the values of a method's paper or official code."""
CUSTOM_RECIPE = "custom"
"""Name of a recipe with a value that was set by hand."""
OPEN_BASE, OPEN_NEW = "open-base", "open-new"
"""Splits of the open score: base images, and new images, each among all names."""
FORK, EXTERNAL = "fork:", "external:"
"""Beginnings of the names of methods whose code is not ours: official code that the harness ran, and predictions that
were computed elsewhere."""
_SOURCES = {FORK: "official code", EXTERNAL: "imported predictions"}
DEMO_RECIPE = "demo"
"""Name of the recipes that `methods.demo_recipe` makes."""
_HASHED_IF_SET: dict[str, object] = {
    "targets": [],
    "support": None,
    "class_text": None,
    "epoch_selection": None,
    "allow_fewer": False,
    "fold": None,
    "held_out_shot": False,
    "unlabelled": None,
    "teacher": None,
}
"""Fields that the run id leaves out while they have their default, with that default as JSON."""


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
    backbone: Name = Field(description="slug `arch.tag`")
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
        if not self.allow_fewer:
            values.pop("allow_fewer", None)
        if self.fold is None:
            values.pop("fold", None)
        if not self.held_out_shot:
            values.pop("held_out_shot", None)
        if self.unlabelled is None:
            values.pop("unlabelled", None)
        if self.teacher is None:
            values.pop("teacher", None)
        return values

    @property
    def run_id(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical JSON.

        A field of `_HASHED_IF_SET` counts only if it differs from its default.
        """
        values = self.model_dump(mode="json")
        for name, default in _HASHED_IF_SET.items():
            if values.get(name, default) == default:
                values.pop(name, None)
        return hashlib.sha256(canonical_json(values).encode()).hexdigest()[:16]

    @property
    def support_rule(self) -> str | None:
        """What changes the draw, such as `noisy:0.2`; None for a plain draw and for a support list."""
        return self.support if self.support is not None and is_support_rule(self.support) else None

    def label(self) -> str:
        """A short description, for progress and messages."""
        up_to = "up to " if self.allow_fewer else ""
        shots = f"{up_to}{self.shots} shot{'' if self.shots == 1 else 's'}"
        if self.support_rule is not None:
            every = self.support_rule == SupportKind.ALL
            shots = "all training images" if every else f"{shots}, {self.support_rule}"
        if self.unlabelled is not None:
            shots = f"{shots}, {unlabelled_text(self.unlabelled)}"
        if self.teacher is not None:
            shots = f"{shots}, {teacher_text(teacher_parts(self.teacher)[0])}"
        targets = f" to {len(self.targets)} targets" if self.targets else ""
        return f"{self.method} on {self.dataset}{targets}, {self.protocol}, {shots}, seed {self.seed}"


def unlabelled_text(pool: str) -> str:
    """The pool of a spec as text, such as `unlabelled train:500`; empty for none."""
    return f"unlabelled {pool}" if pool else ""


def teacher_parts(teacher: str) -> tuple[str, str]:
    """The kind of a spec's teacher, which leaderboards state, and the digest of its content.

    Example:
        >>> teacher_parts("promptsrc@ViT-L-14.openai#0a1b2c3d:" + 32 * "f")[0]
        'promptsrc@ViT-L-14.openai#0a1b2c3d'
    """
    kind, _, digest = teacher.rpartition(":")
    return kind, digest


def teacher_text(kind: str) -> str:
    """The kind of a teacher as text, such as `teacher promptsrc@ViT-L-14.openai#0a1b2c3d`; empty for none."""
    return f"teacher {kind}" if kind else ""


def external_parts(method: str) -> tuple[str, str] | None:
    """What a method of other code calls itself, and where its predictions come from; None for our own methods.

    Example:
        >>> external_parts("fork:KgCoOp"), external_parts("kgcoop")
        (('KgCoOp', 'official code'), None)
    """
    prefix, colon, name = method.partition(":")
    source = _SOURCES.get(prefix + colon)
    return None if source is None else (name, source)


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
