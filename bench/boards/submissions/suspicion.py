"""Finds impossible scores, near copies, other weights, and unusual spreads over seeds. Pure functions.

The checks use facts of the runs of one submission and of those that came before it.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from bench._util.words import counted
from bench.analysis import BASELINE
from bench.boards.submissions.known_code import one_method
from bench.boards.submissions.run_facts import RunFacts, truth_keys

SAME_DEVICE, OTHER_DEVICE = 1e-9, 0.01
"""How far a run may exceed an oracle's accuracy: not at all on one kind of device; one point on another, where a
repetition can differ by rounding."""
FEWEST_SEEDS = 3

Named = tuple[str, RunFacts]
"""A run and the name of its submission."""


def impossible_scores(mine: Sequence[RunFacts], earlier: Sequence[Named] = ()) -> Iterator[str]:
    """Reasons to refuse a submission, one sentence per run.

    Args:
        earlier: runs of the submissions before it.
    """
    pool = [*earlier, *(("this submission", run) for run in mine)]
    for run in mine:
        for split, found in run.splits.items():
            if found.constant:
                yield f"{run.label}: all {found.n} images of {split} have the same logits"
    yield from _copies(mine, earlier)
    yield from _above_oracle(mine, pool)
    yield from _other_labels(mine, earlier)


def _copies(mine: Sequence[RunFacts], earlier: Sequence[Named]) -> Iterator[str]:
    """Runs with the same logits, bit for bit, as another method, or as the same method with another support set."""
    known: dict[tuple[object, ...], list[Named]] = defaultdict(list)
    for name, run in earlier:
        for key in _logit_keys(run):
            known[key].append((name, run))
    for run in mine:
        for key in _logit_keys(run):
            twins = [(name, twin) for name, twin in known[key] if _suspicious_twins(run, twin)]
            if twins:
                name, twin = twins[0]
                yield f"{run.label}: its logits on {key[-2]} are those of {twin.label} of {name}, bit for bit"
                break
        for key in _logit_keys(run):
            known[key].append(("this submission", run))


def _logit_keys(run: RunFacts) -> list[tuple[object, ...]]:
    return [(run.backbone, run.dataset, split, found.logits) for split, found in run.splits.items()]


def _suspicious_twins(a: RunFacts, b: RunFacts) -> bool:
    """Whether two runs with equal logits cannot both be honest.

    A training-free method whose search ends at zero-shot has the logits of zero-shot. An oracle that chose what the
    plain run has anyway has the logits of that run. A wrapper may leave its method as it is: APEX's weight is one where
    all classes were trained.
    """
    if a.run_id == b.run_id:
        return False
    if a.method != b.method:
        return not one_method(a.method, b.method) and (BASELINE not in (a.method, b.method) or a.trained or b.trained)
    if a.oracle != b.oracle:
        oracle = a if a.oracle else b
        return a.settings == b.settings and any((found.optimism or 0) > 0 for found in oracle.splits.values())
    return a.trained and b.trained and a.support != b.support


def _above_oracle(mine: Sequence[RunFacts], pool: Sequence[Named]) -> Iterator[str]:
    oracles: dict[tuple[object, ...], list[Named]] = defaultdict(list)
    for name, run in pool:
        if run.oracle:
            oracles[_plain_key(run)].append((name, run))
    for run in mine:
        for name, oracle in () if run.oracle else oracles[_plain_key(run)]:
            slack = SAME_DEVICE if run.device == oracle.device else OTHER_DEVICE
            for split, found in run.splits.items():
                best = oracle.splits.get(split)
                if best is not None and found.accuracy > best.accuracy + slack:
                    yield (
                        f"{run.label}: its accuracy {100 * found.accuracy:.2f} on {split} is above the "
                        f"{100 * best.accuracy:.2f} of the oracle, run {oracle.run_id} of {name}, which chose on the "
                        "test labels"
                    )


def _plain_key(run: RunFacts) -> tuple[object, ...]:
    return (*run.cell, run.method, run.settings, run.shots, run.seed)


def _other_labels(mine: Sequence[RunFacts], earlier: Sequence[Named]) -> Iterator[str]:
    truths: dict[tuple[str, ...], tuple[str, str]] = {}
    for name, run in [*earlier, *(("this submission", run) for run in mine)]:
        for split, found in run.splits.items():
            for key in truth_keys(run, split):
                other = truths.setdefault(key, (found.truth, f"run {run.run_id} of {name}"))
                if other[0] != found.truth and name == "this submission":
                    yield f"{run.label}: {split}: its test images or true labels are not those of {other[1]}"
                    break


NEAR = 3e-4
"""Difference of log-probabilities, as a share of their spread over images, below which predictions are nearly equal.

In the demo, a prompt that hardly moved from its initial text has 9e-4 in one run of 88, and 0.02 in the median.
"""
_LEAST_SPREAD = 0.2
"""Of log-probabilities; with less, all images are certain, and methods agree because the task is easy."""
_NEAR_SHARE = 0.5
"""Share of nearly equal comparisons above which two methods are remarked; a single one may be by chance."""


def near_copies(mine: Sequence[RunFacts], others: Sequence[Named], earlier: Collection[str]) -> Iterator[str]:
    """Notes on methods whose predictions are nearly those of another method on the same tasks.

    Two submissions with nearly equal predictions of one method agree, which is not noted. A method and a wrapper of it
    are one method.

    Args:
        earlier: names of the submissions that were there first. Of two similar methods, the later one has the note; of
            a method and zero-shot, the method.
    """
    groups: dict[tuple[object, ...], list[Named]] = defaultdict(list)
    for name, run in [*others, *(("this submission", run) for run in mine)]:
        if name == "this submission" or run.method == BASELINE or name in earlier:
            for split in run.splits:
                groups[_task_key(run, split, (run.shots, run.seed))].append((name, run))
    sketches = {key: np.array([run.splits[str(key[-2])].sketch for _, run in group]) for key, group in groups.items()}
    shared: Counter[tuple[str, str, str]] = Counter()
    near: Counter[tuple[str, str, str]] = Counter()
    for run in mine:
        for split, key in _compared(run):
            if key not in groups:
                continue
            sketch = np.array(run.splits[split].sketch)
            gaps = np.sqrt(np.mean((sketches[key] - sketch) ** 2, axis=1)) / sketch.std()
            for (name, twin), gap in zip(groups[key], gaps, strict=True):
                if one_method(run.method, twin.method) or (name == "this submission" and _is_noted_on(twin, run)):
                    continue
                pair = (run.method, twin.method, name)
                shared[pair] += 1
                near[pair] += gap < NEAR and not _may_be_equal(run, twin, split)
    for pair, number in sorted(near.items()):
        method, other, name = pair
        if number > _NEAR_SHARE * shared[pair]:
            yield (
                f"{method}: its predictions in {number} of {counted(shared[pair], 'comparison')} are nearly those of "
                f"{other} of {name}"
            )


def _compared(run: RunFacts) -> Iterator[tuple[str, tuple[object, ...]]]:
    """The splits of a run whose predictions say something, each with the keys of the runs to compare them with."""
    for split, found in run.splits.items():
        if run.method != BASELINE and np.std(found.sketch) >= _LEAST_SPREAD:
            for draw in {(run.shots, run.seed), _NO_DRAW}:
                yield split, _task_key(run, split, draw)


_NO_DRAW = (0, 0)
"""Shots and seed of zero-shot runs, with which runs of every draw are compared."""


def _task_key(run: RunFacts, split: str, draw: tuple[int, int]) -> tuple[object, ...]:
    """Key of runs that can be compared: the same images, and support images of the same shots and seed."""
    return (run.backbone, run.dataset, run.protocol, run.splits[split].images, split, draw)


def _is_noted_on(twin: RunFacts, run: RunFacts) -> bool:
    """Whether the note on two similar methods of one submission is on the method of `twin`."""
    return twin.method != BASELINE and run.method < twin.method


def _may_be_equal(run: RunFacts, twin: RunFacts, split: str) -> bool:
    """Whether equal predictions are honest: a training-free method whose search ends at zero-shot has its logits."""
    return twin.method == BASELINE and not run.trained and run.splits[split].logits == twin.splits[split].logits


def _stated(weights: str) -> str:
    """The digest of a run's weights; empty for imported predictions, which state none."""
    return weights.partition(" ")[2]


def foreign_weights(mine: Sequence[RunFacts], others: Sequence[Named]) -> Iterator[str]:
    """Notes on backbones whose stated weights differ within the submission or from those of others."""
    own: dict[str, set[str]] = defaultdict(set)
    for run in mine:
        if _stated(run.weights):
            own[run.backbone].add(run.weights)
    theirs: dict[str, dict[str, str]] = defaultdict(dict)
    for name, run in others:
        if _stated(run.weights):
            theirs[run.backbone].setdefault(run.weights, name)
    for backbone, found in sorted(own.items()):
        by_precision = Counter(weights.split(" ")[0] for weights in found)
        if max(by_precision.values()) > 1:
            yield f"its runs on {backbone} state {len(found)} different digests of its weights"
        for weights, name in sorted(theirs[backbone].items()):
            precision = weights.split(" ")[0]
            if precision in by_precision and weights not in found:
                yield f"its weights of {backbone} are not those of {name}"
                break


def shared_runs(mine: Sequence[RunFacts], earlier: Mapping[str, Sequence[RunFacts]]) -> Iterator[str]:
    """Notes on runs of other submissions: counts equal runs and names runs with different predictions."""
    known = {run.run_id: (name, run) for name, runs in earlier.items() for run in runs}
    same = 0
    for run in mine:
        if run.run_id not in known:
            continue
        name, other = known[run.run_id]
        if {split: found.logits for split, found in run.splits.items()} == {
            split: found.logits for split, found in other.splits.items()
        }:
            same += 1
        else:
            yield f"{run.label} is in {name} with other predictions; the board counts the run of {name}"
    if same:
        yield f"{same} of {len(mine)} runs are on the board with the same predictions"


def seed_notes(mine: Sequence[RunFacts]) -> Iterator[str]:
    """Notes on unusual seeds of a submission: too few, selected seeds, or accuracies that never vary."""
    groups: dict[tuple[object, ...], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    cells: dict[tuple[object, ...], set[float]] = defaultdict(set)
    seeds_of: dict[tuple[object, ...], set[int]] = defaultdict(set)
    for run in mine:
        if run.shots == 0 or run.oracle:
            continue
        group = (run.method, run.settings, run.backbone, run.protocol, run.shots)
        groups[group][run.dataset].add(run.seed)
        seeds_of[*group, run.dataset].add(run.seed)
        cells[*group, run.dataset].add(sum(found.accuracy for found in run.splits.values()))
    for (method, _, _, protocol, shots), datasets in sorted(groups.items(), key=str):
        what = f"{method}, {protocol}, {shots} shots"
        seeds = sorted(set().union(*datasets.values()))
        if uneven := sorted(name for name, found in datasets.items() if found != set(seeds)):
            yield f"{what}: not every dataset has the seeds {_listed(seeds)}: {', '.join(uneven[:3])}"
        if len(seeds) < FEWEST_SEEDS:
            yield f"{what}: {counted(len(seeds), 'seed')}; the variation over seeds needs at least {FEWEST_SEEDS}"
        elif seeds != list(range(seeds[0], seeds[0] + len(seeds))):
            yield f"{what}: the seeds {_listed(seeds)} are not consecutive, so they may have been chosen"
    repeated = [key for key, found in cells.items() if len(seeds_of[key]) >= FEWEST_SEEDS]
    same = [key for key in repeated if len(cells[key]) == 1]
    if len(same) > len(repeated) / 2:  # some tests are small, and some are so easy that every image is right
        yield f"the accuracy does not vary over seeds in {len(same)} of {len(repeated)} cells of method and dataset"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds[:10])) + (" ..." if len(seeds) > 10 else "")
