"""The tasks of a sweep: which support sets of which dataset can be given, and their fingerprints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.sweep.axes import IMAGENET_VARIANTS, Axes, match_datasets, select
from bench.sweep.rejections import Refusals
from datasets_registry import (
    DataError,
    DatasetInfo,
    DatasetSplits,
    DrawRule,
    ShotsError,
    SupportList,
    build_task,
    get_dataset,
    recorded_draw,
)

if TYPE_CHECKING:
    from methods import ClassText


@dataclass(frozen=True)
class Asked:
    """One support set that is asked for: by shots and seed, or by a list."""

    shots: int
    seed: int
    support: SupportList | None = None


NOTHING = Asked(0, 0)
"""What a zero-shot run is asked with."""


@dataclass
class Tasks:
    """Builds the tasks that the axes ask for; datasets are read once, and what cannot be given is refused.

    Args:
        axes: what to cover.
        data_root: folder of the datasets that are read from disk.
        class_text: class texts in place of the datasets' templates.
        lists: support lists in place of a draw.
        refusals: where refusals are noted.
    """

    axes: Axes
    data_root: Path | None
    class_text: ClassText | None
    lists: Sequence[SupportList]
    refusals: Refusals
    _read: dict[str, DatasetSplits | None] = field(default_factory=dict, init=False)
    _unvalidated: set[tuple[str, Asked]] = field(default_factory=set, init=False)

    def targets(self, source: str) -> list[str]:
        """The targets of a source, sorted; those that a pattern asked for are left out where they cannot be scored."""
        axes = self.axes
        if not axes.protocol.transfers:
            return []
        patterns = axes.targets or IMAGENET_VARIANTS
        found = []
        for name, named in select(patterns, match_datasets).items():
            if name == source or (splits := self._splits(name, named=named)) is None:
                continue
            if not splits.test:
                self.refusals.add(name, "it has no test image, so it cannot be a target.", named=named)
                continue
            found.append(name)
        return sorted(found)

    def asked(self, dataset: str, *, zero_shot: bool, trained: bool) -> list[Asked]:
        """The support sets of a dataset for `trained` methods, and `NOTHING` for `zero_shot` ones."""
        axes = self.axes
        wanted = [Asked(shots, seed) for shots in axes.shots for seed in axes.seeds]
        if self.lists:
            mine = [item for item in self.lists if item.dataset in (None, dataset)]
            seeds = {item.digest: axes.seeds if item.seed is None else [item.seed] for item in mine}
            wanted = [Asked(item.shots, seed, item) for item in mine for seed in seeds[item.digest]]
            if not mine:
                self.refusals.add(dataset, "no support list is for it; see --support.", named=True)
        return [*(wanted if trained else []), *([NOTHING] if zero_shot else [])]

    def fingerprints(
        self, info: DatasetInfo, targets: Sequence[str], wanted: Sequence[Asked], *, named: bool
    ) -> dict[Asked, str]:
        """Task fingerprints of what is asked, for those that the dataset can give."""
        splits = self._splits(info.name, named=named)
        if splits is None:
            return {}
        if self.axes.protocol.transfers and not targets:
            self.refusals.add(info.name, "none of the targets can be scored; see --targets.", named=named)
            return {}
        found = {}
        for asked in wanted:
            if (text := self._fingerprint(info, splits, targets, asked, named=named)) is not None:
                found[asked] = text
        return found

    def has_validation(self, dataset: str, asked: Asked) -> bool:
        """Whether a task, whose fingerprint was asked for before, has validation images."""
        return (dataset, asked) not in self._unvalidated

    def draw(self, info: DatasetInfo, asked: Asked) -> DrawRule:
        """The rule that picks the shots of that dataset."""
        return DrawRule.FILE if asked.support else recorded_draw(info, self.axes.draw)

    def _splits(self, name: str, *, named: bool) -> DatasetSplits | None:
        """What the dataset's reader finds; None, with a refusal, where it finds nothing usable."""
        if name not in self._read:
            try:
                self._read[name] = get_dataset(name).reader(self.data_root)
            except DataError as error:
                self._read[name] = None
                self.refusals.add(name, str(error), named=named)
        return self._read[name]

    def _fingerprint(
        self, info: DatasetInfo, splits: DatasetSplits, targets: Sequence[str], asked: Asked, *, named: bool
    ) -> str | None:
        from methods import ClassTextError

        axes = self.axes
        others = [(get_dataset(name), found) for name in targets if (found := self._read[name]) is not None]
        try:
            task = build_task(
                info,
                splits,
                protocol=axes.protocol,
                shots=asked.shots,
                seed=asked.seed,
                draw=self.draw(info, asked),
                targets=others,
                support_list=asked.support,
                texts=self.class_text,
            )
        except ShotsError as error:
            self.refusals.add(f"{info.name} with {asked.shots} shots", str(error), named=named)
            return None
        except (DataError, ClassTextError) as error:
            self.refusals.add(info.name, str(error), named=named)
            return None
        if not len(task.validation):
            self._unvalidated.add((info.name, asked))
        return task.fingerprint
