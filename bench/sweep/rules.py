"""The rules that refuse combinations, each with its reason and remedy. A combination is refused nowhere else.

What only the data can say, such as too few images, is left out where they are read (`bench.sweep.read_tasks`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from bench.errors import UsageError
from bench.results import known_methods
from bench.spec import ALL_SHOTS
from bench.sweep.grid import Candidate, Grid, published
from bench.sweep.left_out import LeftOut
from bench.sweep.request import SweepRequest
from datasets_registry import EvalProtocol, get_dataset
from methods import BackboneSpec, MethodTraits, Precision

LARGEST_NUMBER = 2**63 - 1
"""Of shots and seeds: what the database can hold."""


@dataclass(frozen=True)
class Rule:
    """A combination that is refused.

    Args:
        name: of the rule, for its test.
        when: refuses a request, grid or candidate with a value that is not empty, which the reason may name as
            `{found}`.
        why: the reason and the remedy, with values of the subject such as `{of.protocol}`.
    """

    name: str
    when: Callable[[Any], object]
    why: str

    def reason(self, subject: SweepRequest | Grid | Candidate) -> str | None:
        """Why the subject is refused, with the remedy; None if it is not."""
        found = self.when(subject)
        return self.why.format(of=subject, found=found) if found else None


_AXES = ("methods", "datasets", "backbones", "shots", "seeds")


def _axes(request: SweepRequest) -> Iterator[tuple[str, list[Any]]]:
    return ((name, list(getattr(request, name))) for name in _AXES)


REQUEST_RULES: tuple[Rule, ...] = (
    Rule(
        "empty axis",
        lambda of: next((name for name, values in _axes(of) if not values), None),
        "No {found} were given; name at least one.",
    ),
    Rule(
        "large number",
        lambda of: [
            f"--{name} {value}"
            for name, values in _axes(of)
            for value in values
            if isinstance(value, int) and value > LARGEST_NUMBER
        ],
        f"{{found[0]}} is too large; the largest is {LARGEST_NUMBER}.",
    ),
    Rule(
        "repeated value",
        lambda of: [
            f"{name} {', '.join(map(str, values))}" for name, values in _axes(of) if len(set(values)) < len(values)
        ],
        "The {found[0]} hold the same value twice; give each once.",
    ),
    Rule(
        "no shots",
        lambda of: [shots for shots in of.shots if shots < 1],
        "--shots {found[0]} is not at least 1; a zero-shot method needs no shots at all.",
    ),
    Rule(
        "negative seed",
        lambda of: [seed for seed in of.seeds if seed < 0],
        "--seeds {found[0]} is negative; seeds are whole numbers from 0.",
    ),
    Rule(
        "repeated support rule",
        lambda of: ", ".join(map(str, of.support_rules)) if len({*of.support_rules}) < len(of.support_rules) else "",
        "--support {found} gives the same rule twice; give each once.",
    ),
    Rule(
        "changed draw of all images",
        lambda of: of.support_rules if ALL_SHOTS in of.shots else None,
        "--support {found[0]} changes a draw, and --shots all draws nothing; give a number of shots.",
    ),
    Rule(
        "pool of a test stream",
        lambda of: of.pool if of.protocol is EvalProtocol.TEST_TIME else None,
        "--unlabelled {found} has no effect with {of.protocol}, whose methods see the test images; leave it out.",
    ),
    Rule(
        "test images of targets",
        lambda of: of.pool and of.pool.kind == "transductive" and of.protocol.transfers,
        "--unlabelled {of.pool} does not go with {of.protocol}, which trains once for all targets; use --unlabelled "
        "train (images of the source).",
    ),
    Rule(
        "pool of new classes",
        lambda of: (
            of.pool
            and of.pool.kind == "train+new"
            and of.protocol is not EvalProtocol.BASE_TO_NEW
            and str(of.pool).replace("+new", "", 1)
        ),
        "--unlabelled {of.pool}: {of.protocol} has no new classes; write {found}.",
    ),
    Rule(
        "draw without its list",
        lambda of: of.draw_rule == "file",
        "--draw file needs the list: write --draw file:PATH, or --support PATH.",
    ),
    Rule(
        "useless targets",
        lambda of: "" if of.protocol.transfers else ",".join(of.targets),
        "--targets {found} has no effect with {of.protocol}, which evaluates the dataset that it trains on; use "
        f"--protocol {EvalProtocol.CROSS_DATASET} or {EvalProtocol.DOMAIN_GENERALIZATION}.",
    ),
    Rule(
        "no targets",
        lambda of: of.protocol is EvalProtocol.CROSS_DATASET and not of.targets,
        "Protocol {of.protocol} needs --targets, the test datasets, such as --targets eurosat,dtd.",
    ),
    Rule(
        "repeated target",
        lambda of: ",".join(of.targets) if len(set(of.targets)) < len(of.targets) else "",
        "--targets {found} names one twice; give each once.",
    ),
)
"""What a request must not hold, whatever its names select."""


def _useless(given: object, need: str, grid: Grid) -> str:
    """The methods that have a need for what is given, if none of the grid has it."""
    if given is None or any(getattr(method.facts, need) for method in grid.methods):
        return ""
    return ", ".join(sorted(facts.name for facts in known_methods().infos() if getattr(facts, need))) or "none"


GRID_RULES: tuple[Rule, ...] = (
    Rule(
        "repeated list",
        lambda of: (
            ", ".join(map(str, of.request.supports)) if len({item.digest for item in of.lists}) < len(of.lists) else ""
        ),
        "--support {found} gives the same list twice; give each once.",
    ),
    Rule(
        "list of several datasets",
        lambda of: [item for item in of.lists if item.dataset is None] if len(of.datasets) != 1 else None,
        "Support list {found[0].source} does not name its dataset, and several are selected; run it with one dataset.",
    ),
    Rule(
        "unknown variant of texts",
        lambda of: (
            of.class_text
            and of.class_text.kind == "variant"
            and of.class_text.value not in of.variants
            and (", ".join(of.variants) or "none")
        ),
        "--class-text {of.class_text.identity}: none of the selected datasets has a template variant of that name. "
        "They have: {found}.",
    ),
    Rule(
        "useless pool",
        lambda of: _useless(of.request.pool, "needs_pool", of),
        "--unlabelled {of.request.pool} has no effect: no selected method learns from unlabelled images. These methods "
        "do: {found}.",
    ),
    Rule(
        "useless teacher",
        lambda of: _useless(of.teacher, "needs_teacher", of),
        "--teacher {of.request.teacher} has no effect: no selected method learns from a teacher. These methods do: "
        "{found}.",
    ),
)
"""What does not go together, given the methods and datasets that the names select."""


PROTOCOL_RULES: tuple[Rule, ...] = (
    Rule(
        "test stream elsewhere",
        lambda of: of.facts.reads_test_stream and of.protocol is not EvalProtocol.TEST_TIME and not of.zero_shot,
        "it learns from unlabelled test images and has a board of its own; use --protocol test-time.",
    ),
    Rule(
        "no test stream",
        lambda of: of.protocol is EvalProtocol.TEST_TIME and not of.facts.reads_test_stream and not of.zero_shot,
        "it does not learn from the test stream of {of.protocol}; use another protocol, or a method that does.",
    ),
    Rule(
        "closed vocabulary",
        lambda of: of.closed and of.unseen,
        "parameters are tied to the training classes and cannot score the {found} of {of.protocol}; use --protocol "
        f"{EvalProtocol.FEW_SHOT}.",
    ),
    Rule("settings", lambda of: of.settings.error, "{found}"),
    Rule(
        "no pool",
        lambda of: of.facts.needs_pool and of.pool is None and of.protocol is not EvalProtocol.TEST_TIME,
        "it learns from unlabelled images, and the run declares none; use --unlabelled train, or "
        "--unlabelled train:N for N of them.",
    ),
    Rule(
        "training on the pool of each target",
        lambda of: of.facts.trains_on_pool and of.protocol.transfers,
        "it trains on the unlabelled images of each target, so {of.protocol} would be a training for each; use "
        f"--protocol {EvalProtocol.BASE_TO_NEW} or {EvalProtocol.FEW_SHOT} with -d TARGET.",
    ),
    Rule(
        "no recipe",
        lambda of: (
            of.recipe is None
            and of.protocol is not EvalProtocol.TEST_TIME
            and not (of.closed and of.unseen)
            and ", ".join(sorted(of.facts.recipes))
        ),
        "it has no recipe for {of.protocol}, only for {found}.",
    ),
)
"""Which method runs in which protocol, with which pool."""

INPUT_RULES: tuple[Rule, ...] = (
    Rule(
        "class texts of learned texts",
        lambda of: of.class_text and of.facts.learns_text and not of.facts.class_text_teacher,
        "it learns its own text input, so --class-text {of.class_text.identity} has no effect; run it without, or use "
        "a method with frozen class texts.",
    ),
    Rule(
        "no teacher",
        lambda of: of.facts.needs_teacher and of.teacher is None,
        "it learns from a tuned model, and the run names none; use --teacher FILE, a model that `run --keep-models` "
        "stored.",
    ),
    Rule(
        "class texts of a teacher",
        lambda of: of.facts.needs_teacher and of.class_text,
        "its class texts are those of its teacher; leave --class-text {found.identity} out.",
    ),
    Rule(
        "selection that is not offered",
        lambda of: of.selection and of.selection not in of.selections and ", ".join(of.selections),
        "it does not support --selection {of.selection}, only: {found}; use one of these or leave the option out.",
    ),
    Rule(
        "no single epoch",
        lambda of: of.epoch_selection and of.settings.epoch_selection_error,
        "it cannot select an epoch by {of.selection}: {found}",
    ),
)
"""Which method goes with which class texts, teacher and selection."""

FEATURE_RULES: tuple[Rule, ...] = (
    Rule(
        "features of another backbone",
        lambda of: of.dataset.backbone != of.backbone.slug and of.dataset.backbone,
        "its features were made with {found}; use -b {found}.",
    ),
    Rule(
        "images without a tower",
        lambda of: of.dataset.backbone is None and of.backbone.imported,
        "{of.backbone.slug} has features of imported datasets only; use a backbone with towers.",
    ),
    Rule(
        "targets with other features",
        lambda of: [name for name in of.targets if get_dataset(name).backbone != of.dataset.backbone],
        "its target {found[0]} must hold images, or features of the same backbone, as it does; give others with "
        "--targets.",
    ),
    Rule(
        "class texts of imported features",
        lambda of: of.class_text and of.backbone.imported,
        "its class texts are imported features; leave --class-text out.",
    ),
)
"""Which dataset goes with which backbone and class texts."""

DATASET_RULES: tuple[Rule, ...] = (
    Rule(
        "no list of the dataset",
        lambda of: of.unlisted and not of.zero_shot,
        "no support list belongs to it; see --support.",
    ),
    Rule(
        "source as its only target",
        lambda of: of.protocol.transfers and not of.targets,
        "it is the source, so it cannot be its only target; give others with --targets.",
    ),
)
"""Which dataset goes with which lists and targets."""

_IMAGES = {"pixels", "pooled", "hidden", "test_views"}
TOWER_RULES: tuple[Rule, ...] = (
    Rule(
        "gradients in fp16",
        lambda of: of.precision == Precision.FP16 and (of.facts.learns_text or of.facts.needs & {"pixels", "hidden"}),
        "gradients through a tower underflow in fp16; use --precision bf16, or fp32.",
    ),
    Rule(
        "precision of imported features",
        lambda of: of.backbone.imported and of.precision != Precision.FP32,
        "imported features are fixed and not computed in {of.precision}; use --precision fp32.",
    ),
    Rule(
        "images of imported features",
        lambda of: of.backbone.imported and of.facts.needs & _IMAGES,
        "it reads images, and imported features have none; use a method that needs features only.",
    ),
    Rule(
        "learned texts of imported features",
        lambda of: of.backbone.imported and of.facts.learns_text,
        "it learns texts, and imported features have no text tower; use a method with plain class texts.",
    ),
    Rule(
        "no vision transformer",
        lambda of: of.facts.vision_transformer and not of.backbone.is_vision_transformer,
        "it works inside the image tower, which must be a vision transformer; this one is "
        "{of.backbone.image_tower_name}; use a ViT backbone such as ViT-B-16.openai.",
    ),
    Rule(
        "whole texts",
        lambda of: of.facts.learns_text and not of.backbone.learns_text,
        "it learns texts, and the text tower of this backbone takes whole texts only; use a method with plain class "
        "texts.",
    ),
    Rule(
        "inside of a tower",
        lambda of: next(filter(None, map(of.backbone.tower_error, sorted(of.facts.tower_use))), None),
        "{found}; use a backbone such as ViT-B-16.openai.",
    ),
    Rule(
        "no tokenizer",
        lambda of: of.facts.reads_text and of.backbone.text_tower_error,
        "{found}.",
    ),
)
"""Which method runs on which towers, whatever its settings."""

SETTING_RULES: tuple[Rule, ...] = (
    Rule(
        "prompts deeper than the tower",
        lambda of: [
            f"{setting}={depth}, but the {tower} tower has {blocks} blocks; use 1 to {blocks}"
            for setting, tower in of.facts.prompt_depths.items()
            if (blocks := of.backbone.depth(tower)) is not None and (depth := of.settings.values[setting]) > blocks
        ],
        "{found[0]}, or 0 for all.",
    ),
    Rule(
        "views of imported features",
        lambda of: of.backbone.imported and of.facts.reads_test_stream and of.settings.values.get("views"),
        "it reads views of test images, and imported features have none; use --set {of.facts.name}.views=0.",
    ),
    Rule(
        "templates of imported features",
        lambda of: (
            of.backbone.imported
            and ", ".join(
                text for text in of.settings.values.get("templates", ()) if text != "own" and "{}" not in text
            )
        ),
        "it encodes the templates {found}, and imported features have one text per class; use --set "
        "'{of.facts.name}.templates=[\"own\"]'.",
    ),
)
"""Which settings of a method run on which towers."""

TEACHER_RULES: tuple[Rule, ...] = (
    Rule(
        "teacher of another dataset",
        lambda of: (
            of.facts.needs_teacher and of.teacher is not None and of.teacher.conflict(of.dataset.name, of.protocol)
        ),
        "{found}",
    ),
)

METHOD_RULES = (*PROTOCOL_RULES, *INPUT_RULES)
"""They look at a method with its settings, and at neither backbone nor dataset."""
DATASET = "{of.dataset.name}"
PLACE_RULES = {
    "{of.dataset.name} on {of.backbone.slug}": FEATURE_RULES,
    DATASET: DATASET_RULES,
    "{of.label} on {of.backbone.slug}": (*TOWER_RULES, *SETTING_RULES),
    "{of.label} on {of.dataset.name}": TEACHER_RULES,
}
"""The rules about a backbone and a dataset, by what they leave out."""
RULES = (*REQUEST_RULES, *GRID_RULES, *METHOD_RULES, *chain.from_iterable(PLACE_RULES.values()))


def check(subject: SweepRequest | Grid, rules: Sequence[Rule]) -> None:
    """Raise UsageError with the reason of the first rule that refuses a request or a grid."""
    if (reason := first_reason(subject, rules)) is not None:
        raise UsageError(reason)


def first_reason(subject: SweepRequest | Grid | Candidate, rules: Sequence[Rule]) -> str | None:
    """The reason of the first of these rules that refuses; None if none does."""
    return next(filter(None, (rule.reason(subject) for rule in rules)), None)


def method_refusals(method: Candidate) -> list[LeftOut]:
    """Every reason why a method with its settings cannot run, whatever the backbone and the dataset."""
    reasons = filter(None, (rule.reason(method) for rule in METHOD_RULES))
    return [LeftOut(method.label, reason, named=method.named) for reason in reasons]


def place_refusal(candidate: Candidate) -> LeftOut | None:
    """The first reason why an allowed method cannot run on its backbone and dataset; None if it can."""
    for what, rules in PLACE_RULES.items():
        if reason := first_reason(candidate, rules):
            is_named = candidate.dataset_named if what == DATASET else candidate.named
            return LeftOut(what.format(of=candidate), reason, named=is_named)
    return None


def backbone_conflict(method: MethodTraits, backbone: BackboneSpec, precision: str = Precision.FP32) -> str | None:
    """Why a method cannot run on a backbone, whatever its settings, with the remedy; None if it can."""
    return first_reason(published(method, method.usual_protocol, backbone=backbone, precision=precision), TOWER_RULES)
