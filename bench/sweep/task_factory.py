"""The tasks of a sweep, for the support sets that each dataset can provide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bench._util.words import counted
from bench.spec import ALL_SHOTS, shots_text
from bench.sweep.axes import IMAGENET_VARIANTS
from bench.sweep.compatibility import Rejections
from bench.sweep.dataset_names import match_datasets, select_names
from bench.sweep.request import HOSO, SweepRequest
from datasets_registry import (
    DataError,
    DatasetInfo,
    DatasetSplits,
    DrawRule,
    EvalProtocol,
    FewShotTask,
    MissingDataError,
    PoolRule,
    ShotsError,
    SupportKind,
    SupportList,
    SupportRule,
    TaskRequest,
    build_task,
    few_shot_draws,
    get_dataset,
    held_out,
    recorded_draw,
)

if TYPE_CHECKING:
    from methods import ClassText


@dataclass(frozen=True)
class SupportChoice:
    """One requested support set: by shots and seed, or by a list; what is held out, and what changes the draw."""

    shots: int
    seed: int
    support: SupportList | None = None
    fold: held_out.Fold | None = None
    rule: SupportRule | None = None
    held_out_shot: bool = False
    pool: PoolRule | None = None

    @property
    def text(self) -> str:
        """Shots and pool, for messages."""
        every = self.rule is not None and self.rule.kind is SupportKind.ALL
        shots = shots_text(ALL_SHOTS) if every else shots_text(self.shots)
        return f"{shots} and unlabelled {self.pool}" if self.pool else shots

    @property
    def recorded(self) -> str | None:
        """What a spec records of it besides shots and seed."""
        return self.support.digest if self.support else str(self.rule) if self.rule else None

    @property
    def empty(self) -> bool:
        """Whether it holds no image, as for zero-shot runs."""
        return self.shots == 0 and self.support is None and self.rule is None


@dataclass
class TaskFactory:
    """Builds the tasks of the request. Each dataset is read once, and impossible tasks are rejected.

    `class_text` replaces the datasets' templates, and `lists` replace the draw.
    """

    request: SweepRequest
    class_text: ClassText | None
    lists: Sequence[SupportList]
    rejections: Rejections
    progress: Callable[[str, int, int], None] = lambda _what, _done, _total: None
    """Receives what is planned, how many draws are done, and their number."""
    short: dict[tuple[str, int], Mapping[str, int]] = field(default_factory=dict, init=False)
    """For a dataset and a number of shots: the training images of each class with fewer, all of which are drawn."""
    read: dict[str, DatasetSplits | None] = field(default_factory=dict, init=False)
    """The splits of each dataset; None for one that cannot be read."""

    def targets(self, source: str) -> list[str]:
        """The targets of a source without itself, sorted. Targets without test images are rejected.

        A named target is needed: without it, the source would be tested on other datasets than requested.
        """
        if not self.request.protocol.transfers:
            return []
        found = []
        for name, named in select_names(self.request.targets or IMAGENET_VARIANTS, match_datasets).items():
            if name == source or (splits := self._splits(name, named=named, needed=named)) is None:
                continue
            if splits.test:
                found.append(name)
            else:
                self.rejections.add(name, "it has no test images, so it cannot be a target.", named=named, needed=named)
        return sorted(found)

    def support_choices(
        self, dataset: str, *, zero_shot: bool, trained: bool, pooled: bool = False
    ) -> list[SupportChoice]:
        """The support sets of a dataset: for trained methods, for those that need a pool, and empty for zero-shot."""
        request = self.request
        hoso = request.selection == HOSO
        folds: list[held_out.Fold | None] = [held_out.Fold.parse(text) for text in request.folds] or [None]
        rules: list[SupportRule | None] = [*request.support_rules] or [None]
        wanted = [
            SupportChoice(0, seed, fold=fold, rule=SupportRule(SupportKind.ALL), held_out_shot=hoso)
            if shots == ALL_SHOTS
            else SupportChoice(shots, seed, fold=fold, rule=rule, held_out_shot=hoso)
            for rule in rules
            for fold in folds
            for shots in request.shots
            for seed in request.seeds
        ]
        if self.lists:
            mine = [item for item in self.lists if item.dataset in (None, dataset)]
            wanted = (wanted if request.support_rules else []) + [
                SupportChoice(item.shots, seed, item, held_out_shot=hoso)
                for item in mine
                for seed in (request.seeds if item.seed is None else [item.seed])
            ]
            if not mine:
                self.rejections.add(dataset, "no support list belongs to it; see --support.", named=True)
        if request.protocol is EvalProtocol.TEST_TIME:
            wanted = [SupportChoice(0, seed) for seed in request.seeds]
        empty = [SupportChoice(0, 0, fold=fold) for fold in folds]
        with_pool = [replace(choice, pool=request.pool) for choice in wanted] if pooled else []
        return [*(wanted if trained else []), *with_pool, *(empty if zero_shot else [])]

    def tasks(
        self, info: DatasetInfo, targets: Sequence[str], wanted: Sequence[SupportChoice], *, named: bool
    ) -> Mapping[SupportChoice, FewShotTask | OutlinedTask]:
        """Tasks by support set, for those that the dataset can provide."""
        splits = self._splits(info.name, named=named)
        if splits is None:
            return {}
        if self.request.protocol.transfers and not targets:
            only = set(select_names(self.request.targets or IMAGENET_VARIANTS, match_datasets)) <= {info.name}
            why = "it is the source, so it cannot be its only target; give others with --targets."
            self.rejections.add(
                info.name, why if only else "none of the targets can be evaluated; see --targets.", named=named
            )
            return {}
        shared, found = few_shot_draws.SharedParts(), {}
        for number, choice in enumerate(wanted):
            self.progress(info.name, number, len(wanted))
            found[choice] = self._task(info, splits, targets, choice, shared, named=named)
        tasks = {choice: task for choice, task in found.items() if task is not None}
        self.short |= {(info.name, task.shots): task.short for task in tasks.values() if task.short}
        return tasks

    def _splits(self, name: str, *, named: bool, needed: bool = False) -> DatasetSplits | None:
        """The dataset's splits; None, with a rejection, if they cannot be read."""
        if name not in self.read:
            try:
                self.read[name] = _read_checked(get_dataset(name), self.request)
            except DataError as error:
                self.read[name] = None
                summary = self._missing_data if isinstance(error, MissingDataError) else ""
                self.rejections.add(name, str(error), named=named, needed=needed, summary=summary)
        return self.read[name]

    @property
    def _missing_data(self) -> str:
        """Why datasets are not there, in words that fit them all."""
        root = self.request.data_root
        if root is None:
            return (
                "no data folder was given. Pass --data-root FOLDER or set ETL_BENCH_DATA; `etl-bench datasets check "
                "NAME --data-root FOLDER` says what a dataset needs."
            )
        return f"not in {root}. `etl-bench datasets check NAME --data-root {root}` says what a dataset needs."

    def _task(
        self,
        info: DatasetInfo,
        splits: DatasetSplits,
        targets: Sequence[str],
        choice: SupportChoice,
        shared: few_shot_draws.SharedParts,
        *,
        named: bool,
    ) -> FewShotTask | None:

        others = [(get_dataset(name), found) for name in targets if (found := self.read[name]) is not None]
        try:
            return build_task(
                TaskRequest(
                    info,
                    splits,
                    protocol=self.request.protocol,
                    shots=choice.shots,
                    seed=choice.seed,
                    draw=DrawRule.FILE if choice.support else recorded_draw(info, self.request.draw_rule),
                    targets=others,
                    support_list=choice.support,
                    texts=self.class_text,
                    allow_fewer=self.request.allow_fewer,
                    fold=choice.fold,
                    rule=choice.rule,
                    held_out_shot=choice.held_out_shot,
                    pool=choice.pool,
                ),
                shared,
            )
        except ShotsError as error:
            self.rejections.add(f"{info.name} with {choice.text}", str(error), named=named)
        except DataError as error:
            self.rejections.add(info.name, str(error), named=named)
        return None


@dataclass(frozen=True)
class OutlinedTask:
    """What is known of a task without its data: its draw, shots and seed. It is assumed to have validation images."""

    draw: DrawRule
    shots: int
    seed: int
    fingerprint: str = ""
    validation: Sequence[str] = ("assumed",)
    short: Mapping[str, int] = field(default_factory=dict)


class OutlineFactory(TaskFactory):
    """The tasks of the request as if all data were there."""

    def targets(self, source: str) -> list[str]:
        """The targets that the request names for a source, sorted."""
        if not self.request.protocol.transfers:
            return []
        return sorted(set(select_names(self.request.targets or IMAGENET_VARIANTS, match_datasets)) - {source})

    def tasks(
        self,
        info: DatasetInfo,
        targets: Sequence[str],  # noqa: ARG002
        wanted: Sequence[SupportChoice],
        *,
        named: bool,  # noqa: ARG002
    ) -> Mapping[SupportChoice, OutlinedTask]:
        """A task for each support set."""
        draw = recorded_draw(info, self.request.draw_rule)
        return {choice: OutlinedTask(draw, choice.shots, choice.seed) for choice in wanted}


def _read_checked(info: DatasetInfo, request: SweepRequest) -> DatasetSplits:
    """The splits of a dataset; raises DataError for a template in which a class name would stand twice."""
    if info.template.count("{}") > 1:
        raise DataError(f"its template {info.template!r} has '{{}}' more than once; keep one in its TOML file.")
    return info.reader(request.data_root)


MOST_CLASSES = 5
"""Classes that the line names."""


def short_draw(dataset: str, shots: int, sizes: Mapping[str, int]) -> str:
    """Text about a short draw; `sizes` has the number of training images of each class with fewer than `shots`.

    Example:
        >>> short_draw("birds", 16, {"rare": 3, "jay": 9})
        'birds with up to 16 shots: 2 classes have fewer training images, and all of them are drawn (rare 3, jay 9)'
    """
    listed = ", ".join(f"{name} {size}" for name, size in list(sizes.items())[:MOST_CLASSES])
    more = f" and {len(sizes) - MOST_CLASSES} more" if len(sizes) > MOST_CLASSES else ""
    have = "has" if len(sizes) == 1 else "have"
    return (
        f"{dataset} with up to {shots} shots: {counted(len(sizes), 'class')} {have} fewer training images, and all of "
        f"them are drawn ({listed}{more})"
    )
