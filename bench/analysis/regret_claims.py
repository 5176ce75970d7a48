"""Claims about choosing a method before any training: regret of policies on held-out datasets. Pure."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from bench.analysis.choice_policies import Known, Policy, chosen
from bench.analysis.difficulty_groups import FEWEST
from bench.analysis.leaderboard import Leaderboard
from bench.analysis.method_choice import losses
from bench.statistics import MeanTest

FEWEST_METHODS = 2


def known_of_board(board: Leaderboard, measure: str, difficulty: Mapping[str, float]) -> Known:
    """The scores of the entries that may be chosen (complete, no oracle) on datasets with a known difficulty.

    The zero-shot accuracy of a dataset is that of the board's zero-shot entry on the measure, or None.
    """
    datasets = tuple(name for name in board.averaged if difficulty.get(name) is not None)
    entries = [entry for entry in board.entries if entry.rankable]
    values = [[entry.cells[name].scores[measure].mean for name in datasets] for entry in entries]
    zero = board.entry(board.baseline).cells if board.baseline is not None else {}
    return Known(
        tuple(entry.key for entry in entries),
        datasets,
        np.array(values, dtype=float).reshape(len(entries), len(datasets)),
        tuple(difficulty[name] for name in datasets),
        tuple(zero[name].scores[measure].mean if name in zero else None for name in datasets),
    )


def regret_difference(known: Known, a: Policy, b: Policy) -> MeanTest | None:
    """Regret of policy B minus that of policy A, with the interval over the left-out datasets.

    The regret of a policy is the difference between the best method of the left-out dataset and the method that it
    chooses from all others. The losses share their other datasets, so the squared standard error is `s^2 (1 / n + 1 /
    (n - 1))`, the correction of Nadeau and Bengio (2003). In simulations of eleven datasets and equally good policies,
    the 95 % interval contains 0 in 96 to 99 % of cases, and in 82 to 92 % without the correction. There is no test if
    both policies always choose the same method.

    Returns None with fewer than six evaluated datasets or fewer than two methods.
    """
    judged = known.judged
    if len(judged) < FEWEST or len(known.methods) < FEWEST_METHODS or any(known.zero_shot[i] is None for i in judged):
        return None
    lost = [np.array(losses(known.values, judged, partial(chosen, known, policy))) for policy in (a, b)]
    gains = lost[1] - lost[0]
    n, spread = len(gains), float(gains.std(ddof=1))
    mean = float(gains.mean())
    if spread == 0:
        return MeanTest(mean, n, n)
    return MeanTest.from_error(mean, n, n, spread * float(np.sqrt(1 / n + 1 / (n - 1))), n - 1)
