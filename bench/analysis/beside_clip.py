"""Runs of models that are not CLIPs, each beside the best CLIP rows on the same images. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.analysis.leaderboard import Entry, Leaderboard, splits_of
from bench.analysis.paired_average import Matched, matched_runs, paired_test
from bench.analysis.scores_by_seed import SeedScore, seed_scores
from bench.analysis.statistics.intervals import MeanTest
from bench.spec import NOTHING_LEARNED, OTHER_MODELS, learned_texts, shots_text


@dataclass(frozen=True)
class Side:
    """One row on one dataset: its board and entry, its scores by seed, and the shots of its runs.

    A zero-shot method has 0 shots, also on a board with more.
    """

    board: Leaderboard
    entry: Entry
    dataset: str
    by_seed: Mapping[int, SeedScore]
    shots: int

    @property
    def inputs(self) -> str:
        """The labelled images of each class, and what else it learned from."""
        learned = self.board.setting.learned if self.shots else NOTHING_LEARNED
        return ", ".join([shots_text(self.shots), *learned_texts(learned)])


@dataclass(frozen=True)
class BesideClip:
    """A model that is not a CLIP, minus the best CLIP row of a backbone and its inputs, on one dataset.

    Args:
        measure: all, base, new, open or H.
        score, clip_score: fractions, means over the compared seeds.
        difference: paired over seeds and images; with one seed, it is about these images and this one training.
        images: test images, over all splits of the measure.
        seeds: those that are compared.
    """

    measure: str
    model: Side
    clip: Side
    score: float
    clip_score: float
    difference: MeanTest
    images: int
    seeds: tuple[int, ...]


def best_pairs(boards: Sequence[Leaderboard], runs: pd.DataFrame) -> list[BesideClip]:
    """Each row of the boards of other models beside the best CLIP row of each backbone, arithmetic and inputs.

    The best has the highest score on the dataset by the last measure of its board, without oracles, among rows that
    were scored on the same images with a common seed; the result has all measures of that pair. `runs` is the store's
    `runs_frame(outcomes=True)`.
    """
    others = [board for board in boards if board.setting.backbone == OTHER_MODELS]
    kinds = {(board.setting.protocol, board.setting.source) for board in others}
    shots = dict(zip(runs["run_id"], runs["shots"].astype(int), strict=True))
    clips: dict[tuple[str, ...], dict[tuple[str, ...], list[Side]]] = defaultdict(lambda: defaultdict(list))
    for board in boards:
        setting = board.setting
        if setting.backbone != OTHER_MODELS and (setting.protocol, setting.source) in kinds:
            for side in _sides(board, runs, shots):
                place = setting.protocol, setting.source, side.dataset
                clips[place][setting.backbone, setting.precision, side.inputs].append(side)
    found: dict[tuple[object, ...], list[BesideClip]] = {}
    for board in others:
        for model in _sides(board, runs, shots):
            rivals = clips[board.setting.protocol, board.setting.source, model.dataset]
            for kind, sides in rivals.items():
                run_ids = frozenset(
                    score.run_id for score in model.by_seed.values()
                )  # a zero-shot run is on all boards
                found.setdefault((run_ids, model.dataset, *kind), _best_pair(model, sides))
    return [one for pair in found.values() for one in pair]


def _sides(board: Leaderboard, runs: pd.DataFrame, shots: Mapping[str, int]) -> Iterator[Side]:
    scores = seed_scores(board, runs)
    for dataset in board.averaged:
        for entry in board.entries:
            if not entry.oracle and (by_seed := scores[entry.key].get(dataset)):
                yield Side(board, entry, dataset, by_seed, max(shots[score.run_id] for score in by_seed.values()))


def _best_pair(model: Side, clips: Iterable[Side]) -> list[BesideClip]:
    """The differences to the best CLIP row by each measure; empty if none was scored on the same images and seed."""
    measure = model.board.measures[-1]
    known = [(clip, matched) for clip in clips if (matched := _matched(model, clip, measure)) is not None]
    for clip, matched in sorted(known, key=lambda pair: -_mean(pair[1].b, measure)):
        if _difference(model.dataset, matched, measure) is not None:
            found = [(one, _matched(model, clip, one)) for one in model.board.measures]
            return [
                BesideClip(
                    one,
                    model,
                    clip,
                    _mean(pair.a, one),
                    _mean(pair.b, one),
                    test.within(),
                    sum(_n_images(pair.a[0], split) for split in splits_of(one)),
                    tuple(pair.seeds),
                )
                for one, pair in found
                if pair is not None and (test := _difference(model.dataset, pair, one)) is not None
            ]
    return []


def _matched(model: Side, clip: Side, measure: str) -> Matched | None:
    """The runs with common seeds; a run that does not depend on its seed counts for every seed, as on a board."""
    a, b = model.by_seed, clip.by_seed
    if not any(score.seeded for score in a.values()):
        a = dict.fromkeys(b, next(iter(a.values())))
    elif not any(score.seeded for score in b.values()):
        b = dict.fromkeys(a, next(iter(b.values())))
    matched = matched_runs(a, b, measure)
    return matched if matched is not None and matched.paired else None


def _difference(dataset: str, matched: Matched, measure: str) -> MeanTest | None:
    """The paired test; None if the runs have no predictions of the same images."""
    a, b = (dict(zip(matched.seeds, side, strict=True)) for side in (matched.a, matched.b))
    test = paired_test({dataset: a}, {dataset: b}, measure, [dataset])
    return None if test is None or (test.low is None and test.mean != 0) else test


def _mean(runs: Sequence[SeedScore], measure: str) -> float:
    return sum(run[measure] for run in runs) / len(runs)


def _n_images(score: SeedScore, split: str) -> int:
    stored = (score.correct or {}).get(split)
    return 0 if stored is None else len(stored[1])
