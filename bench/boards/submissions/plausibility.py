"""Remarks on costs, dates and gains that no honest run is likely to have. They refuse nothing. Pure functions."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from bench._util.words import counted
from bench.analysis import BASELINE
from bench.boards.submissions.run_facts import RunFacts
from bench.boards.submissions.suspicion import Named
from bench.record import RunRecord

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""No run of this project is older."""
CLOCK = timedelta(days=1)
"""How far clocks may differ."""
FEW_SHOTS = 4
FEWEST_IMAGES = 20
"""With fewer test images, all of them may be right by chance."""
CLOSED = 0.95
"""Share of the zero-shot errors that a run may correct without a remark."""
LEAST_ERROR, LARGE_ERROR = 0.1, 0.5
"""Zero-shot error from which corrections of nearly all errors are remarked: with few shots, and with many."""


def cost_problem(record: RunRecord) -> str | None:
    """What is implausible in the cost of a completed run; None if nothing is."""
    cost = record.cost
    if cost is None:
        return "no cost is stated"
    if not cost.eval_seconds:
        return "the evaluation took no time"
    if record.spec.recipe is None:
        return None
    zero = {"time": cost.train_seconds, "steps": cost.steps, "trainable parameters": cost.trainable_parameters}
    missing = [name for name, value in zero.items() if not value]
    return f"it was trained with no {' and no '.join(missing)}" if missing else None


def date_notes(runs: Sequence[RunFacts], submitted: datetime, now: datetime) -> Iterator[str]:
    """Notes on dates before the project existed, in the future, or after the submission."""
    if submitted < BEGINNING:
        yield f"it states {submitted:%Y-%m-%d} as its time of submission, before this project existed"
    reasons = Counter(filter(None, (_date_problem(run.made, submitted, now) for run in runs)))
    for reason, number in reasons.most_common():
        yield f"{counted(number, 'run')} dated {reason}"


def _date_problem(made: datetime, submitted: datetime, now: datetime) -> str | None:
    if made < BEGINNING:
        return "before this project existed"
    if made > now + CLOCK:
        return "in the future"
    return "after the submission" if made > submitted + CLOCK else None


def gain_notes(mine: Sequence[RunFacts], others: Sequence[Named]) -> Iterator[str]:
    """Notes on methods that correct nearly all errors of zero-shot, or make no error with few shots."""
    baseline = {
        (*_task(run), split): found.accuracy
        for run in (*(run for _, run in others), *mine)
        if run.method == BASELINE
        for split, found in run.splits.items()
    }
    groups: Counter[tuple[str, str, int, str]] = Counter()
    for run in mine:
        for split, found in run.splits.items():
            if run.shots and not run.oracle and found.n >= FEWEST_IMAGES:
                problem = _gain_problem(run.shots, found.accuracy, baseline.get((*_task(run), split)))
                if problem is not None:
                    groups[run.method, f"{run.dataset}, {split}", run.shots, problem] += 1
    for (method, where, shots, problem), number in sorted(groups.items()):
        yield f"{method} on {where}, {counted(shots, 'shot')}, {counted(number, 'run')}: {problem}"


def _task(run: RunFacts) -> tuple[str, str, str]:
    return run.backbone, run.dataset, run.protocol


def _gain_problem(shots: int, accuracy: float, zero_shot: float | None) -> str | None:
    few = shots <= FEW_SHOTS
    if zero_shot is None:
        return "every test image is right, which few shots rarely achieve" if few and accuracy == 1 else None
    error = 1 - zero_shot
    if error < (LEAST_ERROR if few else LARGE_ERROR) or 1 - accuracy > (1 - CLOSED) * error:
        return None
    return f"accuracy {100 * accuracy:.1f} where zero-shot has {100 * zero_shot:.1f}, an unusual gain"
