"""Claims that runs can support or refute: two methods or two policies, a measure and a threshold."""

import shlex
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench._util.words import counted
from bench.analysis import (
    FEWEST_FOR_THIRDS,
    Entry,
    Grouping,
    Leaderboard,
    Matched,
    MeanTest,
    Pair,
    ScoreArray,
    Setting,
    difference_of_means,
    differences,
    difficulty_groups,
    method_choice,
    splits_of,
    untested,
)
from bench.errors import UsageError
from bench.spec import DEMO_RECIPE, shots_value
from datasets_registry import DATASETS

FEWEST_TO_CHOOSE = 2


def known_of_board(board: Leaderboard, measure: str, difficulty: Mapping[str, float]) -> method_choice.Known:
    """The scores of the entries that may be chosen (complete, no oracle) on datasets with a known difficulty.

    The zero-shot accuracy of a dataset is that of the board's zero-shot entry on the measure, or None.
    """
    datasets = tuple(name for name in board.averaged if difficulty.get(name) is not None)
    entries = [entry for entry in board.entries if entry.rankable]
    values = [[board.array.mean(entry.key, name, measure) for name in datasets] for entry in entries]
    return method_choice.Known(
        tuple(entry.key for entry in entries),
        datasets,
        np.array(values, dtype=float).reshape(len(entries), len(datasets)),
        tuple(difficulty[name] for name in datasets),
        tuple(None if board.baseline is None else board.array.mean(board.baseline, name, measure) for name in datasets),
    )


def regret_difference(
    choices: method_choice.Known, a: method_choice.Policy, b: method_choice.Policy
) -> MeanTest | None:
    """Regret of policy B minus that of policy A, with the interval over the left-out datasets.

    The regret of a policy is the difference between the best method of the left-out dataset and the method that it
    chooses from all others. There is no test if both policies always choose the same method.

    Returns None with fewer than six evaluated datasets or fewer than two methods.
    """
    judged = choices.judged
    if (
        len(judged) < FEWEST_FOR_THIRDS
        or len(choices.methods) < FEWEST_TO_CHOOSE
        or any(choices.zero_shot[i] is None for i in judged)
    ):
        return None
    gains = choices.losses(b) - choices.losses(a)
    n, mean, error = len(gains), float(gains.mean()), method_choice.standard_error(gains)
    return MeanTest.from_error(mean, n, n, error, n - 1) if error else MeanTest(mean, n, n)


class ClaimVerdict(StrEnum):
    """Result of a claim's test."""

    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported here"
    INCONCLUSIVE = "inconclusive"
    NOT_TESTED = "not tested"
    """The runs that are needed are missing or were a demo, or the existing runs do not differ."""


class Claim(BaseModel):
    """A sentence and the test of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    sentence: str = Field(min_length=1)
    source: str
    a: str = Field(description="method or entry key that should score higher; for `regret` a policy that loses less")
    b: str
    protocol: str
    shots: int | None = Field(None, description="only boards with these shots; all boards if absent")
    measure: Literal["base", "new", "H", "all", "gap"]
    datasets: Literal["all", "easy", "hard"] = "all"
    only: tuple[str, ...] = Field((), description="datasets that count; all if empty")
    contrast: Literal["difference", "difference-of-groups", "regret"] = "difference"
    above: float = Field(0.0, description="effect that must be exceeded, a fraction")

    @model_validator(mode="after")
    def _policies(self) -> Self:
        allowed = [policy.value for policy in method_choice.Policy]
        if self.contrast == "regret" and not {self.a, self.b} <= set(allowed):
            raise ValueError(f'with contrast = "regret", a and b are policies: {", ".join(allowed)}')
        return self


@dataclass(frozen=True)
class ClaimResult:
    """One claim on one board.

    Args:
        setting: setting of the board, None if no board has both methods.
        test: effect with n, interval and p value against zero; None if there was nothing to test.
        p: two-sided p value against the claim's threshold.
        reason: why the claim is not tested: what is missing, or that nothing differs; else empty.
    """

    claim: Claim
    setting: Setting | None
    verdict: ClaimVerdict
    test: MeanTest | None
    p: float | None
    datasets: tuple[str, ...]
    reason: str


def load_claims(path: Path | None = None) -> list[Claim]:
    """Read the claims of a TOML file, or those of the package if `path` is None.

    Raises UsageError if the file is not TOML, a claim has an unknown, missing or malformed field, or an id repeats.
    """
    name = str(path or "claims.toml")
    try:
        text = (path or resources.files("bench.papers") / "claims.toml").read_text("utf-8")
        values = tomllib.loads(text)
        if other := [key for key in values if key != "claim"] or ([] if "claim" in values else ["no claim"]):
            raise UsageError(f"{name} has {other[0]!r} and is no file of claims. Give a file of [[claim]] tables.")
        claims = [Claim.model_validate(item) for item in values["claim"]]
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{name} cannot be read as TOML: {error}. Give a file of [[claim]] tables.") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"A claim in {name} is invalid: {field}: {first['msg']}. Fields: {', '.join(Claim.model_fields)}."
        ) from error
    counts = Counter(claim.id for claim in claims)
    if repeated := sorted(name for name, count in counts.items() if count > 1):
        raise UsageError(f"{path or 'claims.toml'} repeats the id {', '.join(repeated)}; give each claim its own id.")
    return claims


def difficulty_by_backbone(difficulty: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Relative transfer difficulty over all classes, by backbone and dataset."""
    rows = difficulty[(difficulty["measure"] == "relative_transfer_difficulty") & (difficulty["split"] == "all")]
    by_backbone: dict[str, dict[str, float]] = {}
    for row in rows.dropna(subset=["value"]).to_dict("records"):
        by_backbone.setdefault(str(row["backbone"]), {})[str(row["dataset"])] = float(row["value"])
    return by_backbone


def check_claims(
    claims: Iterable[Claim],
    boards: Sequence[Leaderboard],
    difficulty: Mapping[str, Mapping[str, float]],
    groups: Grouping = difficulty_groups,
) -> list[ClaimResult]:
    """Test every claim on every board with both of its methods and no changed support; otherwise it is not tested.

    Each test is at 5 %. Runs with the demo's recipe, or on synthetic datasets alone, give no verdict.

    `difficulty` is the relative transfer difficulty by backbone and
    dataset; `groups` divides the datasets by it.
    """
    results: list[ClaimResult] = []
    for claim in claims:
        regret = claim.contrast == "regret"
        of_boards = []
        for board in boards:
            setting = board.setting
            if setting.protocol == claim.protocol and setting.plain and claim.shots in (None, setting.shots):
                difficulties = difficulty.get(setting.backbone, {})
                of_boards.append(
                    _check_regret(claim, board, difficulties) if regret else _check(claim, board, difficulties, groups)
                )
        tested = [result for result in of_boards if result is not None]
        if not tested:
            needs = (
                f"complete {claim.protocol} runs of zero_shot and other methods on at least {FEWEST_FOR_THIRDS} "
                "datasets with measured difficulty"
                if regret
                else f"{claim.protocol} runs of {claim.a} and {claim.b}, with one setting each"
            )
            like = next((board for board in boards if board.setting.protocol == claim.protocol), None)
            shots = claim.shots if claim.shots is not None or like is None else like.setting.shots
            command = _command(claim, shots, like or next(iter(boards), None))
            tested = [_without_verdict(claim, None, f"needs {needs}: {command}")]
        results += tested
    return results


def _command(claim: Claim, shots: int | None, board: Leaderboard | None) -> str:
    """The command that runs both methods of a claim with the backbone of a board, on datasets to be named."""
    methods = "all" if claim.contrast == "regret" else ",".join(dict.fromkeys((claim.a, claim.b)))
    backbone = shlex.quote(board.setting.backbone) if board is not None else "ViT-B-16.openai"
    end = "" if shots is None else f" --shots {shots_value(shots)}"
    return f"`etl-bench run -m {methods} -d DATASETS -b {backbone} --protocol {claim.protocol}{end}`"


def _entry_of(board: Leaderboard, name: str) -> Entry | None:
    matches = [entry for entry in board.entries if entry.key == name] or [
        entry for entry in board.entries if entry.method == name and not entry.oracle
    ]
    return matches[0] if len(matches) == 1 else None


def _without_verdict(
    claim: Claim, board: Leaderboard | None, reason: str, datasets: tuple[str, ...] = ()
) -> ClaimResult:
    setting = None if board is None else board.setting
    return ClaimResult(claim, setting, ClaimVerdict.NOT_TESTED, None, None, datasets, reason)


def _unfit(claim: Claim, board: Leaderboard, entries: Iterable[Entry]) -> str:
    """Why runs of these entries cannot test the claim; empty if they can."""
    if any(entry.recipe_name == DEMO_RECIPE for entry in entries):
        return "demo runs train too briefly to test a claim of a paper"
    bases = {name.partition(":")[0] for name in board.array.datasets if name not in claim.only}
    if bases and all(name in DATASETS and DATASETS.get(name).synthetic for name in bases):
        return "synthetic datasets cannot test a claim of a paper"
    return ""


def _check(claim: Claim, board: Leaderboard, difficulty: Mapping[str, float], groups: Grouping) -> ClaimResult | None:
    """The claim on one board; None if it lacks one of the methods."""
    a, b = _entry_of(board, claim.a), _entry_of(board, claim.b)
    if a is None or b is None:
        return None
    if why := _unfit(claim, board, [a, b]):
        return _without_verdict(claim, board, why)
    pair = a.key, b.key
    array = board.array
    matched = {name: array.matched(*pair, name, claim.measure) for name in sorted(array.datasets)}
    runs = {name: matching for name, matching in matched.items() if matching and (not claim.only or name in claim.only)}
    shared = list(runs)
    easy, hard = groups([dataset for dataset in shared if dataset in difficulty], difficulty)
    of_groups = claim.contrast == "difference-of-groups"
    needed = [hard, easy] if of_groups else [{"all": shared, "easy": easy, "hard": hard}[claim.datasets]]
    datasets = tuple(sorted(dataset for group in needed for dataset in group))
    of_groups_tests = [differences(array, [pair], claim.measure, group).get(pair) for group in needed]
    tests = [test for test in of_groups_tests if test is not None]
    needed_runs = {name: runs[name] for name in datasets}
    command = _command(claim, board.setting.shots, board)
    if len(tests) < len(needed):
        if claim.only and not shared:
            reason = f"needs runs of both on {' or '.join(claim.only)}: {command}"
        elif claim.datasets == "all" and not of_groups:
            reason = f"needs runs of both on the same datasets and seeds: {command}"
        elif groups is difficulty_groups:
            reason = f"needs difficulties of at least six datasets: {command} with more datasets"
        else:
            reason = f"needs common runs on the easy and the hard datasets: {command}"
        return _without_verdict(claim, board, reason, datasets)
    test = difference_of_means(*tests) if of_groups else tests[0]
    reason = ""
    if any(part.groups < 2 for part in tests):
        few = "datasets of each group" if of_groups else "datasets"
        test, reason = untested(test), f"needs at least two {few}: {command} with more datasets"
    elif any(part.one_seed for part in needed_runs.values()):
        test, reason = untested(test), f"needs at least two seeds: {command} with more seeds"
    elif test.standard_error is None and test.smallest_group > 1 and _same_outcomes(array, pair, claim, needed_runs):
        reason = (
            f"in all {counted(test.n, 'run')}, {claim.a} and {claim.b} are right on the same images; the effect is 0 "
            "without any spread, which gives no interval"
        )
    elif test.standard_error is None:
        reason = f"needs at least two seeds, with predictions that differ: {command} with more seeds"
    p = test.p_against(claim.above)
    return ClaimResult(claim, board.setting, _verdict(test, claim.above), test, p, datasets, reason)


def _same_outcomes(array: ScoreArray, pair: Pair, claim: Claim, runs: Mapping[str, Matched]) -> bool:
    """Whether both methods classify the same images correctly in every common run; `runs` by dataset."""
    for name, matched in runs.items():
        if not matched.paired or not matched.images:
            return False
        for split in splits_of(claim.measure):
            a, b = (array.right(key, name, split, matched.a) for key in pair)
            if not np.array_equal(a, b):
                return False
    return True


def _check_regret(claim: Claim, board: Leaderboard, difficulty: Mapping[str, float]) -> ClaimResult | None:
    """A claim about two policies on one board; None if it has too few runs."""
    choices = known_of_board(board, claim.measure, difficulty)
    test = regret_difference(choices, method_choice.Policy(claim.a), method_choice.Policy(claim.b))
    if test is None:
        return None
    if why := _unfit(claim, board, [entry for entry in board.entries if entry.rankable]):
        return _without_verdict(claim, board, why)
    same = "" if test.standard_error is not None else "both policies choose the same methods on these runs"
    p = test.p_against(claim.above)
    return ClaimResult(claim, board.setting, _verdict(test, claim.above), test, p, choices.datasets, same)


def _verdict(test: MeanTest, above: float) -> ClaimVerdict:
    if test.standard_error is None:
        return ClaimVerdict.NOT_TESTED
    if test.low is not None and test.low > above:
        return ClaimVerdict.SUPPORTED
    below = test.high is not None and test.high < above
    return ClaimVerdict.NOT_SUPPORTED if below else ClaimVerdict.INCONCLUSIVE
