"""From axes to specs: resolves names, validates settings and refuses the impossible, before any weight is loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench._overrides import Override, apply_overrides, check_overrides, parse_overrides
from bench.errors import ImpossibleCombinationError, UsageError
from bench.record import RunStatus
from bench.shards import RerunPolicy, Shards
from bench.spec import ExperimentSpec
from datasets_registry import DATASETS, DataError, DatasetInfo, ShotsError, build_task, get_dataset
from datasets_registry._build import settled_draw
from datasets_registry._manifest import SupportList, read_support_list
from datasets_registry._types import DatasetSplits, DrawRule, EvalProtocol

if TYPE_CHECKING:
    from methods import MethodConfig, MethodInfo, Recipe
    from methods._backbone_names import BackboneSpec
    from methods._class_text import ClassText


class RecipeChoice(StrEnum):
    """Where training settings come from: the papers, or the short ones made for the demo backbone."""

    PUBLISHED = "published"
    DEMO = "demo"


@dataclass(frozen=True)
class Axes:
    """What a sweep is asked to cover; every combination of the axes is a run.

    Args:
        methods: names, shell-style patterns or `all`.
        datasets: names (with options for dials), patterns or `all`.
        backbones: slugs `arch.tag`, or `ARCH=FILE` for local weights.
        protocol: how methods are trained and scored.
        shots: images a class.
        seeds: of draw and training.
        draw: which rule picks the shots.
        recipe: published settings, or the demo's.
        overrides: `method.key=value` texts.
        targets: datasets to score on, for the protocols that train on a source; `datasets` are the sources then. The
            source itself is left out. Domain generalization without any takes ImageNet's four variants.
        supports: support lists (`datasets_registry/_manifest.py`) in place of a draw. One that names its dataset and
            seed is run for them; others need a single dataset and are run with each of `seeds`. Shots are the list's.
        class_text: where class texts come from (`methods/_class_text.py`); None for the datasets' own templates.
    """

    methods: Sequence[str]
    datasets: Sequence[str]
    backbones: Sequence[str]
    protocol: EvalProtocol = EvalProtocol.BASE_TO_NEW
    shots: Sequence[int] = (16,)
    seeds: Sequence[int] = (1, 2, 3)
    draw: DrawRule = DrawRule.COOP
    recipe: RecipeChoice = RecipeChoice.PUBLISHED
    overrides: Sequence[str] = ()
    targets: Sequence[str] = ()
    supports: Sequence[Path] = ()
    class_text: str | None = None


IMAGENET_VARIANTS = ("imagenet_v2", "imagenet_sketch", "imagenet_a", "imagenet_r")


@dataclass(frozen=True)
class Refusal:
    """A combination that cannot work, and why. `named`: it was asked for by name, not caught by a pattern."""

    what: str
    reason: str
    named: bool


@dataclass(frozen=True)
class Expansion:
    """The specs of a sweep, and the combinations left out because only a pattern asked for them."""

    specs: tuple[ExperimentSpec, ...]
    refused: tuple[Refusal, ...]


@dataclass(frozen=True)
class Plan:
    """What a sweep will do.

    Args:
        specs: everything asked for.
        pending: what has to run now.
        retried: how many of the pending ones failed before.
        refused: combinations left out, with reasons.
        difficulties: (backbone, dataset) whose difficulty is not measured yet.
    """

    specs: tuple[ExperimentSpec, ...]
    pending: tuple[ExperimentSpec, ...]
    retried: int
    refused: tuple[Refusal, ...]
    difficulties: tuple[tuple[str, str], ...]

    @property
    def done(self) -> tuple[ExperimentSpec, ...]:
        """What is answered already."""
        waiting = {spec.run_id for spec in self.pending}
        return tuple(spec for spec in self.specs if spec.run_id not in waiting)


def plan(expansion: Expansion, shards: Shards, policy: RerunPolicy = RerunPolicy.FAILED) -> Plan:
    """Subtract what is on disk from what is asked for."""
    pending = shards.pending(expansion.specs, policy)
    places = dict.fromkeys(
        (spec.backbone, dataset) for spec in expansion.specs for dataset in (spec.dataset, *spec.targets)
    )
    again = policy is RerunPolicy.ALL
    return Plan(
        specs=expansion.specs,
        pending=tuple(pending),
        retried=sum(shards.status(spec.run_id) is RunStatus.FAILED for spec in pending),
        refused=expansion.refused,
        difficulties=tuple(place for place in places if again or not shards.has_difficulty(*place)),
    )


def expand(axes: Axes, *, data_root: Path | None = None) -> Expansion:
    """All specs of a sweep, without two alike, in the order of the axes.

    A zero-shot run depends neither on shots nor on seed, so it is asked once for each backbone, dataset and protocol,
    with 0 shots and seed 0, whatever the axes say.

    Args:
        axes: what to cover.
        data_root: folder of the datasets that are read from disk.

    Raises:
        UnknownNameError: a name nobody registered.
        OverrideError: a setting that does not exist or a value it does not take.
        UsageError: an empty or repeated axis.
        ImpossibleCombinationError: combinations asked for by name that cannot work; all of them are listed.
    """
    _check_axes(axes)
    chosen = _choose_methods(axes)
    return _Expander(axes, chosen, data_root).expand()


@dataclass(frozen=True)
class _Chosen:
    """A selected method with its settings for this sweep. `recipe` is None where it is not trained."""

    info: MethodInfo
    config: MethodConfig
    recipe: Recipe | None
    named: bool

    @property
    def zero_shot(self) -> bool:
        from methods import Family

        return self.info.family is Family.ZERO_SHOT

    @property
    def lacks_recipe(self) -> bool:
        return bool(self.info.recipes) and self.recipe is None


@dataclass(frozen=True)
class _Asked:
    """One support set that is asked for: by shots and seed, or by a list."""

    shots: int
    seed: int
    support: SupportList | None = None


_NOTHING = _Asked(0, 0)
"""What a zero-shot run is asked with."""


@dataclass
class _Expander:
    """One expansion: datasets are read once, and every combination that cannot work is written down."""

    axes: Axes
    chosen: Sequence[_Chosen]
    data_root: Path | None
    refused: dict[tuple[str, str], Refusal] = field(default_factory=dict)
    read: dict[str, DatasetSplits | None] = field(default_factory=dict)
    class_text: ClassText | None = None

    def expand(self) -> Expansion:
        backbones = _backbones(self.axes.backbones)
        datasets = _select(self.axes.datasets, _match_datasets)
        lists = support_lists(self.axes)
        self.class_text = _class_text(self.axes)
        for item in self.chosen:
            self._check_method(item)
        specs: dict[str, ExperimentSpec] = {}
        for name, named in datasets.items():
            targets = self._targets(name)
            asked = self._asked(name, lists)
            fingerprints = self._fingerprints(get_dataset(name), targets, asked, named=named)
            for backbone in backbones:
                for item in self.chosen:
                    for spec in self._specs(item, backbone, name, targets, fingerprints):
                        specs.setdefault(spec.run_id, spec)
        insisted = [refusal for refusal in self.refused.values() if refusal.named]
        if insisted:
            more = f" (and {len(insisted) - 3} more)" if len(insisted) > 3 else ""
            listed = "; ".join(f"{refusal.what}: {refusal.reason}" for refusal in insisted[:3])
            raise ImpossibleCombinationError(f"Cannot run {listed}{more}")
        if not specs:
            reasons = "; ".join(f"{refusal.what}: {refusal.reason}" for refusal in list(self.refused.values())[:3])
            raise ImpossibleCombinationError(f"Nothing of what was asked for can run. {reasons}")
        return Expansion(tuple(specs.values()), tuple(self.refused.values()))

    def _check_method(self, item: _Chosen) -> None:
        protocol = self.axes.protocol
        if protocol is not EvalProtocol.FEW_SHOT and not item.info.is_open(item.config):
            others = "new classes" if protocol is EvalProtocol.BASE_TO_NEW else "other datasets"
            self._refuse(
                item.info.name,
                f"its parameters are tied to the training classes, so it cannot score the {others} of {protocol}; "
                f"use --protocol {EvalProtocol.FEW_SHOT}.",
                named=item.named,
            )
        if self.class_text is not None and item.info.learns_text:
            self._refuse(
                item.info.name,
                f"it learns its own text input, so --class-text {self.class_text.identity} means nothing for it; run "
                f"it without, or a method with frozen class texts.",
                named=item.named,
            )
        if item.lacks_recipe:
            known = ", ".join(sorted(item.info.recipes))
            self._refuse(item.info.name, f"it has no recipe for {protocol}, only for {known}.", named=item.named)

    def _splits(self, name: str, *, named: bool) -> DatasetSplits | None:
        """What the dataset's reader finds; None, with a refusal, where it finds nothing usable."""
        if name not in self.read:
            try:
                self.read[name] = get_dataset(name).reader(self.data_root)
            except DataError as error:
                self.read[name] = None
                self._refuse(name, str(error), named=named)
        return self.read[name]

    def _targets(self, source: str) -> list[str]:
        """The targets of a source, sorted; those that a pattern asked for are left out where they cannot be scored."""
        axes = self.axes
        if not axes.protocol.transfers:
            return []
        patterns = axes.targets or IMAGENET_VARIANTS
        found = []
        for name, named in _select(patterns, _match_datasets).items():
            if name == source or (splits := self._splits(name, named=named)) is None:
                continue
            if not splits.test:
                self._refuse(name, "it has no test image, so it cannot be a target.", named=named)
                continue
            found.append(name)
        return sorted(found)

    def _asked(self, dataset: str, lists: Sequence[SupportList]) -> list[_Asked]:
        """The support sets of a dataset, and nothing for the zero-shot methods."""
        axes = self.axes
        wanted = [_Asked(shots, seed) for shots in axes.shots for seed in axes.seeds]
        if lists:
            mine = [item for item in lists if item.dataset in (None, dataset)]
            seeds = {item.digest: axes.seeds if item.seed is None else [item.seed] for item in mine}
            wanted = [_Asked(item.shots, seed, item) for item in mine for seed in seeds[item.digest]]
            if not mine:
                self._refuse(dataset, "no support list is for it; see --support.", named=True)
        wanted = [asked for asked in wanted if not all(item.zero_shot for item in self.chosen)]
        return [*wanted, _NOTHING] if any(item.zero_shot for item in self.chosen) else wanted

    def _fingerprints(
        self, info: DatasetInfo, targets: Sequence[str], wanted: Sequence[_Asked], *, named: bool
    ) -> dict[_Asked, str]:
        """Task fingerprints of what is asked, for those that the dataset can give."""
        splits = self._splits(info.name, named=named)
        if splits is None:
            return {}
        if self.axes.protocol.transfers and not targets:
            self._refuse(info.name, "none of the targets can be scored; see --targets.", named=named)
            return {}
        found = {}
        for asked in wanted:
            if (text := self._fingerprint(info, splits, targets, asked, named=named)) is not None:
                found[asked] = text
        return found

    def _draw(self, info: DatasetInfo, asked: _Asked) -> DrawRule:
        return DrawRule.FILE if asked.support else settled_draw(info, self.axes.draw)

    def _fingerprint(
        self, info: DatasetInfo, splits: DatasetSplits, targets: Sequence[str], asked: _Asked, *, named: bool
    ) -> str | None:
        from methods._class_text import ClassTextError

        axes = self.axes
        others = [(get_dataset(name), found) for name in targets if (found := self.read[name]) is not None]
        try:
            task = build_task(
                info,
                splits,
                protocol=axes.protocol,
                shots=asked.shots,
                seed=asked.seed,
                draw=self._draw(info, asked),
                targets=others,
                listed=asked.support,
                texts=self.class_text,
            )
        except ShotsError as error:
            self._refuse(f"{info.name} with {asked.shots} shots", str(error), named=named)
            return None
        except (DataError, ClassTextError) as error:
            self._refuse(info.name, str(error), named=named)
            return None
        return task.fingerprint

    def _specs(
        self,
        item: _Chosen,
        backbone: BackboneSpec,
        dataset: str,
        targets: Sequence[str],
        fingerprints: dict[_Asked, str],
    ) -> Iterable[ExperimentSpec]:
        if item.info.name in {what for what, _ in self.refused}:
            return
        from bench.compatibility import why_apart, why_not

        info = get_dataset(dataset)
        if reason := why_apart(info, backbone):
            self._refuse(f"{dataset} on {backbone.slug}", reason, named=item.named)
            return
        if self.class_text is not None and backbone.imported:
            what = f"{dataset} with --class-text {self.class_text.identity}"
            self._refuse(what, "its class texts are imported features; run it without --class-text.", named=item.named)
            return
        if reason := why_not(item.info, backbone):
            self._refuse(f"{item.info.name} on {backbone.slug}", reason, named=item.named)
            return
        axes = self.axes
        for asked, fingerprint in fingerprints.items():
            if item.zero_shot == (asked is _NOTHING):
                yield ExperimentSpec(
                    method=item.info.name,
                    config=item.config.model_dump(mode="json"),
                    recipe=_settled(item.recipe, asked.shots, info),
                    backbone=backbone.slug,
                    dataset=dataset,
                    task_fingerprint=fingerprint,
                    draw=self._draw(get_dataset(dataset), asked),
                    protocol=axes.protocol,
                    shots=asked.shots,
                    seed=asked.seed,
                    precision="fp32",
                    targets=tuple(targets),
                    support=asked.support.digest if asked.support else None,
                    class_text=self.class_text.identity if self.class_text else None,
                )

    def _refuse(self, what: str, reason: str, *, named: bool) -> None:
        self.refused.setdefault((what, reason), Refusal(what, reason, named))


def support_lists(axes: Axes) -> list[SupportList]:
    """The support lists of a sweep, read.

    Raises:
        DataError: a file that is no support list.
        UsageError: a list without a dataset where several are asked for, or the same list twice.
    """
    lists = [read_support_list(path) for path in axes.supports]
    if len({item.digest for item in lists}) != len(lists):
        raise UsageError(f"--support {', '.join(map(str, axes.supports))} gives the same list twice; give each once.")
    open_lists = [item for item in lists if item.dataset is None]
    if open_lists and len(_select(axes.datasets, _match_datasets)) != 1:
        raise UsageError(
            f"Support list {open_lists[0].source} does not name its dataset, but -d {','.join(axes.datasets)} selects "
            f"several; run it with one dataset."
        )
    return lists


def named_files(axes: Axes) -> dict[str, Path]:
    """The files that specs of this sweep name by digest; workers look them up there."""
    files = {item.digest: item.source.absolute() for item in support_lists(axes)}
    text = _class_text(axes)
    return files if text is None or text.source is None else files | {text.value: text.source.absolute()}


def _class_text(axes: Axes) -> ClassText | None:
    from methods._class_text import known_variants, parse_class_text

    text = parse_class_text(axes.class_text)
    if text is not None and text.kind == "variant":
        names = [*_select(axes.datasets, _match_datasets), *_select(axes.targets, _match_datasets)]
        known = known_variants([get_dataset(name) for name in names])
        if text.value not in known:
            raise UsageError(
                f"--class-text {text.identity}: none of the selected datasets has a template variant of that name. "
                f"They have: {', '.join(known) or 'none'}."
            )
    return text


def local_weights(backbones: Sequence[str]) -> dict[str, Path]:
    """Where the weights of local backbones are, by slug.

    What follows the `=` is kept as it was given, absolute, with its `,quickgelu` if it has one: the text
    `ARCH=<this path>` then describes the same backbone again.
    """
    found = {}
    for text, spec in zip(backbones, _backbones(backbones), strict=True):
        _, equals, rest = text.partition("=")
        if equals:
            found[spec.slug] = Path(rest).absolute()
    return found


def _settled(recipe: Recipe | None, shots: int, dataset: DatasetInfo) -> dict[str, Any] | None:
    """The recipe as it is written into a spec: epochs for that many shots, and no views where features are imported."""
    if recipe is None:
        return None
    settled = recipe.at(shots)
    return (settled if dataset.backbone is None else settled.on_stored_features()).model_dump(mode="json")


def _backbones(texts: Sequence[str]) -> list[BackboneSpec]:
    from methods._backbone_names import parse_backbone

    return [parse_backbone(text) for text in texts]


def _check_axes(axes: Axes) -> None:
    for name in ("methods", "datasets", "backbones", "shots", "seeds"):
        values = list(getattr(axes, name))
        if not values:
            raise UsageError(f"No {name} were given; name at least one.")
        if len(set(values)) != len(values):
            raise UsageError(f"The {name} {', '.join(map(str, values))} hold the same value twice; give each once.")
    if min(axes.shots) < 1:
        raise UsageError(f"--shots {min(axes.shots)} is not at least 1; a zero-shot method needs no shots at all.")
    if axes.draw is DrawRule.FILE:
        raise UsageError("--draw file needs the list: write --draw file:PATH, or --support PATH.")
    if axes.targets and not axes.protocol.transfers:
        raise UsageError(
            f"--targets {','.join(axes.targets)} means nothing for {axes.protocol}, which scores the dataset it trains "
            f"on; use --protocol {EvalProtocol.CROSS_DATASET} or {EvalProtocol.DOMAIN_GENERALIZATION}."
        )
    if axes.protocol is EvalProtocol.CROSS_DATASET and not axes.targets:
        raise UsageError(
            f"Protocol {axes.protocol} needs --targets: the datasets to score on, such as --targets eurosat,dtd."
        )
    if len(set(axes.targets)) != len(axes.targets):
        raise UsageError(f"--targets {','.join(axes.targets)} names one twice; give each once.")
    if min(axes.seeds) < 0:
        raise UsageError(f"--seeds {min(axes.seeds)} is negative; seeds are whole numbers from 0.")


def _select(patterns: Sequence[str], match: Callable[[str], Sequence[str]]) -> dict[str, bool]:
    """Names that the patterns select, in order, each with whether some pattern was that very name."""
    found: dict[str, bool] = {}
    for pattern in patterns:
        for name in match(pattern):
            found[name] = found.get(name, False) or pattern == name
    return found


def _match_datasets(pattern: str) -> list[str]:
    return [get_dataset(pattern).name] if ":" in pattern else DATASETS.match(pattern)


def _choose_methods(axes: Axes) -> list[_Chosen]:
    from methods import METHODS

    names = _select(axes.methods, METHODS.match)
    infos = {name: METHODS.get(name).info for name in names}
    overrides = parse_overrides(axes.overrides)
    recipes = {name: _recipe(info, axes) for name, info in infos.items()}
    check_overrides(
        overrides,
        {name: list(info.config.model_fields) for name, info in infos.items()},
        {name: list(type(recipe).model_fields) for name, recipe in recipes.items() if recipe is not None},
    )
    return [
        _Chosen(
            info=info,
            config=apply_overrides(name, info.default_config(axes.protocol), overrides, recipe=False),
            recipe=_with_overrides(name, recipes[name], overrides),
            named=names[name],
        )
        for name, info in infos.items()
    ]


def _recipe(info: MethodInfo, axes: Axes) -> Recipe | None:
    published = info.recipe_for(axes.protocol)
    if published is None or axes.recipe is RecipeChoice.PUBLISHED:
        return published
    from methods._recipe import demo_recipe

    return demo_recipe(published)


def _with_overrides(method: str, recipe: Recipe | None, overrides: Sequence[Override]) -> Recipe | None:
    """The recipe with what was set by hand; it is `custom` as soon as one value differs."""
    if recipe is None:
        return None
    changed = apply_overrides(method, recipe, overrides, recipe=True)
    return recipe if changed == recipe else changed.model_copy(update={"name": "custom", "source": ""})
