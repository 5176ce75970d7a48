"""Finds impossible scores and unusual spreads over seeds. Pure functions.

The checks use facts of the runs of one submission and of those that came before it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from bench._util.words import counted
from bench.analysis import BASELINE
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
    plain run has anyway has the logits of that run.
    """
    if a.run_id == b.run_id:
        return False
    if a.method != b.method:
        return BASELINE not in (a.method, b.method) or a.trained or b.trained
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
    if same := [key for key in repeated if len(cells[key]) == 1]:
        yield f"the accuracy does not vary over seeds in {len(same)} of {len(repeated)} cells of method and dataset"


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds[:10])) + (" ..." if len(seeds) > 10 else "")
