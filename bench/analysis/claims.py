"""Sentences that the data can support or refute: each a query, a test and a threshold."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.special import stdtr, stdtrit

from bench.analysis.comparison import Scores, seed_scores
from bench.analysis.difficulty_groups import Grouping, difficulty_groups
from bench.analysis.leaderboard import Leaderboard, Setting
from bench.errors import UsageError
from bench.statistics import MeanTest, grouped_t

if TYPE_CHECKING:
    import pandas as pd


class ClaimVerdict(StrEnum):
    """What the runs say about a sentence."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"


class Claim(BaseModel):
    """A sentence and how it is tested."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    sentence: str = Field(min_length=1)
    source: str
    a: str = Field(description="method, or entry key, that should be ahead")
    b: str
    protocol: str
    shots: int | None = Field(None, description="only boards with these shots; all if absent")
    measure: Literal["base", "new", "H", "all", "gap"]
    datasets: Literal["all", "easy", "hard"] = "all"
    contrast: Literal["difference", "difference-of-groups"] = "difference"
    above: float = Field(0.0, description="effect that must be exceeded, a fraction")


@dataclass(frozen=True)
class ClaimResult:
    """One claim on one board.

    Args:
        setting: of the board, None where no board has both methods.
        test: effect with n, interval and p against zero; None where nothing could be tested.
        p: two-sided p value against the claim's threshold.
        datasets: that the test used.
        reason: what is missing, empty where nothing is.
    """

    claim: Claim
    setting: Setting | None
    verdict: ClaimVerdict
    test: MeanTest | None
    p: float | None
    datasets: tuple[str, ...]
    reason: str


def load_claims(path: Path | None = None) -> list[Claim]:
    """Claims of a TOML file; the shipped ones if None.

    Raises:
        UsageError: a file that is no TOML, a claim that is not understood, or an id given twice.
    """
    name = str(path or "claims.toml")
    try:
        text = (path or resources.files("bench.analysis") / "claims.toml").read_text("utf-8")
        claims = [Claim.model_validate(item) for item in tomllib.loads(text).get("claim", [])]
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{name} cannot be read as TOML: {error}. Give a file of [[claim]] tables.") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"A claim in {name} is not understood: {place}: {first['msg']}. Fields: {', '.join(Claim.model_fields)}."
        ) from error
    twice = sorted({claim.id for claim in claims if sum(other.id == claim.id for other in claims) > 1})
    if twice:
        raise UsageError(f"{name} has several claims with the id {', '.join(twice)}; give each its own.")
    return claims


def difficulty_by_backbone(difficulty: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Relative transfer difficulty over all classes, by backbone and dataset.

    Args:
        difficulty: the store's `difficulty_frame()`.
    """
    whole = difficulty[(difficulty["measure"] == "relative_transfer_difficulty") & (difficulty["split"] == "all")]
    found: dict[str, dict[str, float]] = {}
    for row in whole.dropna(subset=["value"]).to_dict("records"):
        found.setdefault(str(row["backbone"]), {})[str(row["dataset"])] = float(row["value"])
    return found


def check_claims(
    claims: Iterable[Claim],
    boards: Sequence[Leaderboard],
    runs: pd.DataFrame,
    difficulty: Mapping[str, Mapping[str, float]],
    groups: Grouping = difficulty_groups,
) -> list[ClaimResult]:
    """Every claim on every board that has its methods; a claim without such a board is inconclusive and says why.

    Args:
        claims: see `load_claims`.
        boards: leaderboards made from the runs.
        runs: the store's `runs_frame()`.
        difficulty: relative transfer difficulty by backbone and dataset, for the groups of easy and hard datasets.
        groups: which datasets are easy and which are hard.
    """
    scores = [seed_scores(board, runs) for board in boards]
    results: list[ClaimResult] = []
    for claim in claims:
        found = [
            _check(claim, board, a, b, difficulty.get(board.setting.backbone, {}), groups)
            for board, known in zip(boards, scores, strict=True)
            if board.setting.protocol == claim.protocol
            and claim.shots in (None, board.setting.shots)
            and (a := _scores_of(board, known, claim.a)) is not None
            and (b := _scores_of(board, known, claim.b)) is not None
        ]
        if not found:
            reason = f"no {claim.protocol} board has one entry each of {claim.a} and {claim.b}"
            found = [ClaimResult(claim, None, ClaimVerdict.INCONCLUSIVE, None, None, (), reason)]
        results += found
    return results


def _scores_of(board: Leaderboard, scores: Mapping[str, Scores], name: str) -> Scores | None:
    keys = [entry.key for entry in board.entries if entry.key == name] or [
        entry.key for entry in board.entries if entry.method == name and not entry.oracle
    ]
    return scores[keys[0]] if len(keys) == 1 else None


def _check(
    claim: Claim, board: Leaderboard, a: Scores, b: Scores, difficulty: Mapping[str, float], groups: Grouping
) -> ClaimResult:
    shared = sorted(set(a) & set(b))
    easy, hard = groups([dataset for dataset in shared if dataset in difficulty], difficulty)
    of_groups = claim.contrast == "difference-of-groups"
    chosen = {"all": shared, "easy": easy, "hard": hard}[claim.datasets]
    if of_groups:
        chosen = [*easy, *hard]
    values = {dataset: _differences(a[dataset], b[dataset], claim.measure) for dataset in chosen}
    if not chosen or not all(values.values()):
        reason = (
            "needs difficulties of at least six datasets" if of_groups or claim.datasets != "all" else "no common runs"
        )
        return ClaimResult(claim, board.setting, ClaimVerdict.INCONCLUSIVE, None, None, tuple(chosen), reason)
    test = grouped_t(list(values.values()))
    if of_groups:
        test = _difference_of_means(grouped_t([values[d] for d in hard]), grouped_t([values[d] for d in easy]))
    verdict, p = _verdict(test, claim.above)
    reason = "" if test.standard_error is not None else "needs at least two seeds"
    return ClaimResult(claim, board.setting, verdict, test, p, tuple(chosen), reason)


def _differences(
    a: Mapping[int, Mapping[str, float]], b: Mapping[int, Mapping[str, float]], measure: str
) -> list[float]:
    return [_value(a[seed], measure) - _value(b[seed], measure) for seed in sorted(set(a) & set(b))]


def _value(scores: Mapping[str, float], measure: str) -> float:
    return scores["base"] - scores["new"] if measure == "gap" else scores[measure]


def _difference_of_means(hard: MeanTest, easy: MeanTest) -> MeanTest:
    """Hard minus easy with Welch's degrees of freedom."""
    mean, n, groups = hard.mean - easy.mean, hard.n + easy.n, hard.groups + easy.groups
    if hard.standard_error is None or easy.standard_error is None or hard.df is None or easy.df is None:
        return MeanTest(mean, n, groups)
    parts = hard.standard_error**2, easy.standard_error**2
    variance = sum(parts)
    if variance == 0:
        return MeanTest(mean, n, groups, 0.0, hard.df + easy.df, mean, mean, 1.0 if mean == 0 else 0.0)
    df = variance**2 / (parts[0] ** 2 / hard.df + parts[1] ** 2 / easy.df)
    error = math.sqrt(variance)
    reach = float(stdtrit(df, 0.975)) * error
    return MeanTest(mean, n, groups, error, df, mean - reach, mean + reach, float(2 * stdtr(df, -abs(mean) / error)))


def _verdict(test: MeanTest, above: float) -> tuple[ClaimVerdict, float | None]:
    if test.standard_error is None or test.df is None or test.low is None or test.high is None:
        return ClaimVerdict.INCONCLUSIVE, None
    if test.standard_error == 0:
        p = 1.0 if test.mean == above else 0.0
    else:
        p = float(2 * stdtr(test.df, -abs(test.mean - above) / test.standard_error))
    if test.low > above:
        return ClaimVerdict.SUPPORTED, p
    return (ClaimVerdict.REFUTED if test.high < above else ClaimVerdict.INCONCLUSIVE), p
