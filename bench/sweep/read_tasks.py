"""The tasks of a sweep from its datasets, each of which is read once; what the data cannot provide is left out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from bench._util.words import counted
from bench.sweep.grid import Candidate, Grid, TaskChoice
from bench.sweep.left_out import LeftOut
from datasets_registry import (
    DataError,
    DatasetSplits,
    FewShotTask,
    MissingDataError,
    ShotsError,
    TaskRequest,
    build_task,
    few_shot_draws,
    get_dataset,
)

SECONDS_BETWEEN_LINES = 5.0
"""Between two lines about a large plan."""


class TaskReader:
    """Reads the datasets of a grid and builds their tasks.

    Args:
        say: receives a line every few seconds with the number of draws of a dataset that are planned.

    Attributes:
        left_out: what the data cannot provide.
        short: for a dataset and a number of shots, the training images of each class with fewer, all of which are
            drawn.
    """

    def __init__(self, grid: Grid, say: Callable[[str], None]) -> None:
        self.left_out: list[LeftOut] = []
        self.short: dict[tuple[str, int], Mapping[str, int]] = {}
        self._grid, self._say, self._said = grid, say, time.monotonic()
        self._read: dict[str, DatasetSplits | None] = {}
        self._dataset = ""
        self._shared = few_shot_draws.SharedParts()
        self._tasks: dict[tuple[bool, bool], list[tuple[TaskChoice, FewShotTask]]] = {}

    def targets(self, candidate: Candidate) -> list[str]:
        """The targets of a candidate that can be evaluated.

        A named target is needed: without it, the source would be tested on other datasets than requested.
        """
        usable = []
        for name in candidate.targets:
            is_named = self._grid.targets[name]
            if (splits := self._splits(name, named=is_named, needed=is_named)) is None:
                continue
            if splits.test:
                usable.append(name)
            else:
                self._leave_out(
                    name, "it has no test images, so it cannot be a target.", named=is_named, needed=is_named
                )
        return usable

    def tasks(self, candidate: Candidate) -> list[tuple[TaskChoice, FewShotTask]]:
        """The tasks of a candidate that its dataset can provide; those of the last dataset are kept."""
        assert candidate.dataset is not None
        name, is_named = candidate.dataset.name, self._grid.datasets[candidate.dataset.name]
        if name != self._dataset:
            self._dataset, self._shared, self._tasks = name, few_shot_draws.SharedParts(), {}
        same_images = candidate.zero_shot, candidate.facts.needs_pool
        if same_images not in self._tasks:
            splits, targets = self._splits(name, named=is_named), self.targets(candidate)
            if splits is not None and candidate.protocol.transfers and not targets:
                self._leave_out(name, "none of the targets can be evaluated; see --targets.", named=is_named)
                splits = None
            choices = [] if splits is None else self._grid.choices(candidate)
            built = []
            for number, choice in enumerate(choices):
                if time.monotonic() - self._said >= SECONDS_BETWEEN_LINES:
                    self._said = time.monotonic()
                    self._say(f"planning {name}: {number:,} of {len(choices):,} draws")
                if splits is not None and (task := self._task(candidate, splits, targets, choice, named=is_named)):
                    built.append((choice, task))
            self._tasks[same_images] = built
            self.short |= {(name, task.shots): task.short for _, task in built if task.short}
        return self._tasks[same_images]

    def _task(
        self, candidate: Candidate, splits: DatasetSplits, targets: Sequence[str], choice: TaskChoice, *, named: bool
    ) -> FewShotTask | None:
        assert candidate.dataset is not None
        other_targets = [
            (get_dataset(name), splits_of_target)
            for name in targets
            if (splits_of_target := self._read[name]) is not None
        ]
        try:
            return build_task(
                TaskRequest(
                    candidate.dataset,
                    splits,
                    protocol=candidate.protocol,
                    shots=choice.shots,
                    seed=choice.seed,
                    draw=self._grid.draw(candidate, choice),
                    targets=other_targets,
                    support_list=choice.support,
                    texts=candidate.class_text,
                    allow_fewer=self._grid.request.allow_fewer,
                    fold=choice.fold,
                    rule=choice.rule,
                    held_out_shot=choice.held_out_shot,
                    pool=choice.pool,
                ),
                self._shared,
            )
        except ShotsError as error:
            self._leave_out(f"{candidate.dataset.name} with {choice.text}", str(error), named=named)
        except DataError as error:
            self._leave_out(candidate.dataset.name, str(error), named=named)
        return None

    def _splits(self, name: str, *, named: bool, needed: bool = False) -> DatasetSplits | None:
        """The dataset's splits; None if they cannot be read, or have a template in which a name would stand twice."""
        if name not in self._read:
            info, root = get_dataset(name), self._grid.request.data_root
            self._read[name] = None
            if info.template.count("{}") > 1:
                why = f"its template {info.template!r} has '{{}}' more than once; keep one in its TOML file."
                self._leave_out(name, why, named=named, needed=needed)
                return None
            try:
                self._read[name] = info.reader(root)
            except DataError as error:
                check = f"`etl-bench datasets check NAME --data-root {root or 'FOLDER'}` says what a dataset needs."
                lacks = "no data folder was given. Pass --data-root FOLDER or set ETL_BENCH_DATA;"
                missing = f"{lacks} {check}" if root is None else f"not in {root}. {check}"
                summary = missing if isinstance(error, MissingDataError) else ""
                self._leave_out(name, str(error), named=named, needed=needed, summary=summary)
        return self._read[name]

    def _leave_out(self, what: str, reason: str, *, named: bool, needed: bool = False, summary: str = "") -> None:
        self.left_out.append(LeftOut(what, reason, named, needed, summary))


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
