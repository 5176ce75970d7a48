"""The accuracy cost of each selection rule: paired differences to selection on validation images. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.analysis.entries import ORACLE
from bench.analysis.leaderboard import Entry, Leaderboard
from bench.analysis.paired_average import mean_paired_test
from bench.analysis.scores_by_seed import Scores, seed_scores
from bench.analysis.setting_runs import EPOCH
from bench.analysis.statistics.intervals import MeanTest
from bench.spec import DEMO_RECIPE, LEARNED, shots_value

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = "validation"
HELD_OUT = "hoso"
RULES: Mapping[str, str] = {
    "last": "last epoch",
    "fixed": "published values",
    HELD_OUT: "one shot held out",
    "ensemble": "all candidates averaged",
    ORACLE: "test labels",
}
"""Description of each rule of `--selection`, except the reference."""
_SELECTION = "selection"


@dataclass(frozen=True)
class RuleDifference:
    """A selection rule minus selection on validation images, for the same methods, datasets, shots and seeds.

    Args:
        rule: value of `--selection`, such as `last`.
        tests: mean difference by measure, a fraction, over the averaged datasets of the board; on a dataset it is the
            mean over the methods. The interval has the noise of seeds and test images; there is none for one dataset or
            one seed. `n` is the number of pairs of runs. Empty if the methods share no seed on any dataset.
        by_method: the same for each method, by the key of its entry with `validation`.
    """

    rule: str
    tests: Mapping[str, MeanTest]
    by_method: Mapping[str, Mapping[str, MeanTest]]

    @property
    def is_oracle(self) -> bool:
        """Whether the rule uses test labels."""
        return self.rule == ORACLE


def selection_rule(entry: Entry) -> str | None:
    """The selection rule of an entry; None for a method that neither searches nor trains."""
    if entry.oracle or ORACLE in entry.config.values():
        return ORACLE
    named = entry.config.get(EPOCH, entry.config.get(_SELECTION))
    return str(named) if named is not None else "last" if entry.recipe is not None else None


def other_settings(entry: Entry) -> str:
    """The settings that distinguish the entry from others of its method, apart from the rule."""
    named = (f"{EPOCH}=", f"{_SELECTION}=")
    return ", ".join(part for part in entry.label.split(", ") if part and not part.startswith(named))


def selection_differences(board: Leaderboard, runs: pd.DataFrame) -> list[RuleDifference]:
    """The differences of every rule that some method has in addition to `validation`, in the order of `RULES`.

    An entry is compared with the entry of the same method, settings and recipe. `runs` is the store's
    `runs_frame(outcomes=True)`.
    """
    references = [entry for entry in board.entries if selection_rule(entry) == REFERENCE]
    scores = seed_scores(board, runs) if references else {}
    found = []
    for rule in RULES:
        pairs = {
            same[0].key: (scores[entry.key], scores[same[0].key])
            for entry in board.entries
            if selection_rule(entry) == rule
            and len(same := [other for other in references if _same_but_for_the_rule(entry, other)]) == 1
        }
        by_method = {key: tests for key in sorted(pairs) if (tests := _tests(board, [pairs[key]]))}
        if by_method:
            found.append(RuleDifference(rule, _tests(board, list(pairs.values())), by_method))
    return found


def _same_but_for_the_rule(entry: Entry, reference: Entry) -> bool:
    """Whether two entries have the same method, recipe and settings, apart from the rule.

    APEX's oracle is not paired. It selects the ensemble weight by the setting `ensemble_weight`, and `validation`
    selects the epoch, so their difference is not the cost of a rule.
    """

    def kept(config: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in config.items() if key not in (EPOCH, _SELECTION)}

    same_recipe = (entry.method, entry.recipe) == (reference.method, reference.recipe)
    return same_recipe and kept(entry.config) == kept(reference.config)


def _tests(board: Leaderboard, pairs: Sequence[tuple[Scores, Scores]]) -> dict[str, MeanTest]:
    tests = {measure: mean_paired_test(pairs, measure, board.averaged) for measure in board.measures}
    return {measure: test for measure, test in tests.items() if test is not None}


def selection_command(board: Leaderboard) -> str:
    """The command that adds the runs for a comparison of rules; empty if no method here makes a selection."""
    choosing = [entry for entry in board.entries if selection_rule(entry) not in (None, ORACLE)]
    if not choosing:
        return ""
    setting = board.setting
    other = HELD_OUT if setting.shots > 1 else "fixed"
    rule = other if all(selection_rule(entry) == REFERENCE for entry in choosing) else REFERENCE
    options = {
        "-m": ",".join(sorted({entry.method for entry in choosing})),
        "-d": setting.source or ",".join(board.datasets),
        "-b": setting.backbone,
        "--protocol": setting.protocol,
        "--shots": str(shots_value(setting.shots)),
        "--seeds": ",".join(map(str, board.seeds)),
        "--selection": rule,
    }
    if any(entry.recipe_name == DEMO_RECIPE for entry in choosing):
        options["--recipe"] = DEMO_RECIPE
    stated = zip(LEARNED, setting.learned, strict=True)
    options |= dict(axis.option.format(value).split(" ", 1) for axis, value in stated if value and axis.option)
    if setting.draw == "file":
        options["--support"] = "FILE"
    elif setting.draw != "coop":
        options["--draw"] = setting.draw
    if setting.precision != "fp32":
        options["--option"] = f"precision={setting.precision}"
    return f"etl-bench run {' '.join(f'{name} {value}' for name, value in options.items())}"
