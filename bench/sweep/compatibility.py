"""Which methods run on which backbones and datasets, and the rejected combinations with their reasons."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bench._util.words import counted
from bench.errors import ImpossibleCombinationError
from datasets_registry import DatasetInfo, EvalProtocol, PoolKind, PoolRule
from methods import BackboneSpec, CheckedSettings, Family, MethodTraits, Needs, Precision, Recipe


def protocol_conflicts(
    method: MethodTraits,
    settings: CheckedSettings,
    recipe: Recipe | None,
    protocol: EvalProtocol,
    pool: PoolRule | None,
) -> Iterator[str]:
    """The reasons why a method with these settings cannot run in a protocol with a pool, with remedies, if any."""
    if method.reads_test_stream != (protocol is EvalProtocol.TEST_TIME) and method.family is not Family.ZERO_SHOT:
        yield (
            f"it learns from unlabelled test images and has a board of its own; use --protocol {protocol.TEST_TIME}."
            if method.reads_test_stream
            else f"it does not learn from the test stream of {protocol}; use another protocol, or a method that does."
        )
        return
    closed = settings.closed_vocabulary or not method.open_vocabulary
    tied = closed and protocol not in (EvalProtocol.FEW_SHOT, EvalProtocol.TEST_TIME)
    if tied:
        others = "new classes" if protocol is EvalProtocol.BASE_TO_NEW else "other datasets"
        yield (
            f"parameters are tied to the training classes and cannot score the {others} of {protocol}; use "
            f"--protocol {EvalProtocol.FEW_SHOT}."
        )
    if settings.error:
        yield settings.error
    if method.needs_pool and pool is None:
        yield (
            f"it learns from unlabelled images, and the run declares none; use --unlabelled {PoolKind.TRAIN}, or "
            f"--unlabelled {PoolKind.TRAIN}:N for N of them."
        )
    if method.trains_on_pool and protocol.transfers:
        yield (
            f"it trains on the unlabelled images of each target, so {protocol} would be a training for each; use "
            f"--protocol {EvalProtocol.BASE_TO_NEW} or {EvalProtocol.FEW_SHOT} with -d TARGET."
        )
    if method.recipes and recipe is None and not tied:
        yield f"it has no recipe for {protocol}, only for {', '.join(sorted(method.recipes))}."


def text_conflict(backbone: BackboneSpec) -> str | None:
    """The reason why no class names can be encoded with a backbone, with the remedy; None if they can."""
    reason = backbone.text_tower_error
    return None if reason is None else f"{reason}."


def depth_conflict(method: MethodTraits, settings: CheckedSettings, backbone: BackboneSpec) -> str | None:
    """The reason why prompts of these settings are deeper than a tower, with the remedy; None if they are not."""
    for setting, tower in method.prompt_depths.items():
        depth, blocks = settings.values[setting], backbone.depth(tower)
        if blocks is not None and depth > blocks:
            return f"{setting}={depth}, but the {tower} tower has {blocks} blocks; use 1 to {blocks}, or 0 for all."
    return None


def backbone_conflict(method: MethodTraits, backbone: BackboneSpec, precision: str = Precision.FP32) -> str | None:
    """The reason why a method cannot run on a backbone, with the remedy; None if it can."""
    if precision == Precision.FP16 and (method.learns_text or method.needs & {Needs.PIXELS, Needs.HIDDEN}):
        return "gradients through a tower underflow in fp16; use --precision bf16, or fp32."
    if backbone.imported:
        if precision != Precision.FP32:
            return f"imported features are fixed and not computed in {precision}; use --precision fp32."
        if method.needs & {Needs.PIXELS, Needs.POOLED, Needs.HIDDEN, Needs.TEST_VIEWS}:
            return "it reads images, and imported features have none; use a method that needs features only."
        if method.learns_text:
            return "it learns texts, and imported features have no text tower; use a method with plain class texts."
    if method.vision_transformer and not backbone.is_vision_transformer:
        return (
            "it works inside the image tower, which must be a vision transformer; this one is "
            f"{backbone.image_tower_name}; use a ViT backbone such as ViT-B-16.openai."
        )
    if method.learns_text and not backbone.learns_text:
        return (
            "it learns texts, and the text tower of this backbone takes whole texts only; use a method with plain "
            "class texts."
        )
    for use in sorted(method.tower_use):
        if reason := backbone.tower_error(use):
            return f"{reason}; use a backbone such as ViT-B-16.openai."
    return text_conflict(backbone) if method.reads_text else None


def settings_conflict(method: MethodTraits, settings: CheckedSettings, backbone: BackboneSpec) -> str | None:
    """The reason why these settings cannot run with imported features, with the remedy; None if they can."""
    if not backbone.imported:
        return None
    if method.reads_test_stream and settings.values.get("views"):
        return f"it reads views of test images, and imported features have none; use --set {method.name}.views=0."
    if lists := [text for text in settings.values.get("templates", ()) if text != "own" and "{}" not in text]:
        return (
            f"it encodes the templates {', '.join(lists)}, and imported features have one text per class; use "
            f"--set '{method.name}.templates=[\"own\"]'."
        )
    return None


def dataset_conflict(dataset: DatasetInfo, backbone: BackboneSpec) -> str | None:
    """The reason why a dataset cannot be used with a backbone, with the remedy; None if it can."""
    if dataset.backbone is not None and dataset.backbone != backbone.slug:
        return f"its features were made with {dataset.backbone}; use -b {dataset.backbone}."
    if dataset.backbone is None and backbone.imported:
        return f"{backbone.slug} has features of imported datasets only; use a backbone with towers."
    return None


_MOST_NAMES = 5
"""Names that a message lists."""


@dataclass(frozen=True)
class Rejection:
    """A combination that cannot run, and why.

    Args:
        named: it was requested by name rather than by a pattern.
        needed: without it, the other runs would answer another question, so nothing runs.
        summary: for a dataset, a reason that fits all that a pattern caught for the same cause; else empty.
    """

    what: str
    reason: str
    named: bool
    needed: bool = False
    summary: str = ""


@dataclass
class Rejections:
    """The rejections of one expansion, without repetition."""

    _found: dict[tuple[str, str], Rejection] = field(default_factory=dict)

    def add(self, what: str, reason: str, *, named: bool, needed: bool = False, summary: str = "") -> None:
        """Add a combination that is left out."""
        self._found.setdefault((what, reason), Rejection(what, reason, named, needed, summary))

    def all(self) -> tuple[Rejection, ...]:
        """All rejections, in the order found."""
        return tuple(self._found.values())

    def names(self, what: str) -> bool:
        """Whether something was rejected under this name."""
        return any(rejection.what == what for rejection in self.all())

    def check(self, *, nothing_left: bool) -> None:
        """Raise ImpossibleCombinationError if nothing is left, or something needed is not."""
        requested = [rejection for rejection in self.all() if rejection.named]
        if requested and (nothing_left or any(rejection.needed for rejection in requested)):
            raise ImpossibleCombinationError(f"Cannot run {_first(by_reason(requested))}")
        if nothing_left:
            raise ImpossibleCombinationError(
                f"None of the requested combinations can run. {_first(by_reason(self.all()))}"
            )


def _first(lines: Sequence[str]) -> str:
    more = f" (and {len(lines) - 3} more reasons)" if len(lines) > 3 else ""
    *before, last = lines[:3]
    return "; ".join([*(line.rstrip(".") for line in before), last]) + more


def by_reason(rejections: Iterable[Rejection]) -> list[str]:
    """One line per reason, with the names that it concerns. Names from patterns share one line per cause."""
    found: dict[tuple[str, str], list[Rejection]] = {}
    for rejection in rejections:
        summary = "" if rejection.named else rejection.summary
        found.setdefault((summary, "" if summary else rejection.reason), []).append(rejection)
    return [_line(summary, group) for (summary, _), group in found.items()]


def _line(summary: str, group: Sequence[Rejection]) -> str:
    names = [rejection.what for rejection in group]
    if summary and len(group) > 1:
        return f"{counted(len(group), 'dataset')} ({', '.join(names)}): {summary}"
    return f"{grouped(names)}: {group[0].reason}"


def grouped(names: Sequence[str]) -> str:
    """Up to five names, and the number of further names."""
    return (
        ", ".join(names)
        if len(names) <= _MOST_NAMES
        else f"{', '.join(names[:_MOST_NAMES])} and {len(names) - _MOST_NAMES} more"
    )
