"""Claims: how each is tested, in which setting, and its effect as text."""

from collections.abc import Iterable
from itertools import groupby

from bench.papers import Catalogue, Claim, ClaimResult
from reports._format import counted, p_value, points, signed_points


def by_claim(results: Iterable[ClaimResult]) -> list[tuple[Claim, list[ClaimResult]]]:
    """Each claim with its results, from results in the order of the claims."""
    groups = (list(group) for _, group in groupby(results, key=lambda result: result.claim.id))
    return [(group[0].claim, group) for group in groups]


def claim_test(claim: Claim, catalogue: Catalogue) -> str:
    """How the claim is tested, in words."""
    named = {"gap": "base minus new accuracy", "H": "H", "all": "accuracy"}
    measure = named.get(claim.measure, f"{claim.measure} accuracy")
    if claim.contrast == "regret":
        return f"Loss of “{claim.b}” − loss of “{claim.a}”: {measure}, each dataset left out in turn, {claim.protocol}"
    over = {"all": "all datasets", "easy": "the easy datasets", "hard": "the hard datasets"}[claim.datasets]
    if claim.contrast == "difference-of-groups":
        over = "the hard minus the easy datasets"
    if claim.only:
        over = f"{', '.join(catalogue.dataset(name).title for name in claim.only)}"
    shots = "" if claim.shots is None else f", {counted(claim.shots, 'shot')}"
    a, b = catalogue.method(claim.a).title, catalogue.method(claim.b).title
    return f"{a} − {b}: {measure} over {over}, {claim.protocol}{shots}"


def claim_setting(result: ClaimResult, catalogue: Catalogue) -> str:
    """The setting in which a claim was tested; empty if no board has both methods."""
    setting = result.setting
    if setting is None:
        return ""
    source = f" from {catalogue.dataset(setting.source).title}" if setting.source else ""
    return f"{setting.protocol}{source}, {setting.shots_text}, {setting.backbone}"


def claim_settings(results: Iterable[ClaimResult], catalogue: Catalogue) -> list[str]:
    """The different settings in which claims were tested."""
    return list(dict.fromkeys(claim_setting(result, catalogue) for result in results))


def claim_numbers(result: ClaimResult) -> str:
    """Effect and interval in short; empty without an effect."""
    test = result.test
    if test is None:
        return ""
    ends = "" if test.low is None or test.high is None else f" ({points(test.low)} to {points(test.high)})"
    return f"{points(test.mean)}{ends}"


def claim_effect(result: ClaimResult) -> str:
    """Effect, interval, threshold, number of values and p value as text; empty without an effect."""
    test = result.test
    if test is None:
        return ""
    text = f"{signed_points(test.mean)} points"
    if test.low is not None and test.high is not None:
        text += f" ({signed_points(test.low)} to {signed_points(test.high)})"
    text += f" against a threshold of {signed_points(result.claim.above)}"
    if test.n:
        text += f"; {counted(test.n, 'value')} over {counted(test.groups, 'dataset')}"
    return text + (f"; {p_value(result.p)}" if result.p is not None else "")
