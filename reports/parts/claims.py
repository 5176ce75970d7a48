"""Claims: how each is tested, in which setting, and its effect as text and as a strip against the threshold."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from markupsafe import Markup

from bench.papers import Catalogue, Claim, ClaimResult
from reports._format import counted, p_value, points, signed_points

WIDTH, HEIGHT, EDGE = 220, 22, 6
"""Size of a strip, and the margin at both ends, in px."""


def by_claim(results: Iterable[ClaimResult]) -> list[tuple[Claim, list[ClaimResult]]]:
    """Each claim with its results, from results in the order of the claims."""
    groups = (list(group) for _, group in groupby(results, key=lambda result: result.claim.id))
    return [(group[0].claim, group) for group in groups]


def claim_test(claim: Claim, catalogue: Catalogue) -> str:
    """How the claim is tested, in words."""
    named = {"gap": "base minus new accuracy", "H": "H", "all": "accuracy"}
    what = named.get(claim.measure, f"{claim.measure} accuracy")
    if claim.contrast == "regret":
        return f"Loss of “{claim.b}” − loss of “{claim.a}”: {what}, each dataset left out in turn, {claim.protocol}"
    over = {"all": "all datasets", "easy": "the easy datasets", "hard": "the hard datasets"}[claim.datasets]
    if claim.contrast == "difference-of-groups":
        over = "the hard minus the easy datasets"
    if claim.only:
        over = f"{', '.join(catalogue.dataset(name).title for name in claim.only)}"
    shots = "" if claim.shots is None else f", {counted(claim.shots, 'shot')}"
    a, b = catalogue.method(claim.a).title, catalogue.method(claim.b).title
    return f"{a} − {b}: {what} over {over}, {claim.protocol}{shots}"


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


def strip_reach(results: Sequence[ClaimResult]) -> float:
    """Half of the strips' range around the threshold, a fraction; it covers all effects and most intervals."""
    ends = [
        abs(value - result.claim.above)
        for result in results
        if result.test is not None
        for value in (result.test.mean, result.test.low, result.test.high)
        if value is not None
    ]
    return max(ends, default=0.0) or 0.01


def claim_strip(result: ClaimResult, reach: float) -> Markup:
    """The strip of one result; the threshold is in the middle of all strips, and `reach` is half of their width.

    Empty without an effect.
    """
    test, above = result.test, result.claim.above
    if test is None:
        return Markup("")

    def at(value: float) -> float:
        return round(WIDTH / 2 + (WIDTH / 2 - EDGE) * (value - above) / reach, 1)

    middle, side = HEIGHT / 2, {"supported": "good", "not supported here": "bad"}.get(result.verdict, "open")
    bar = ""
    if test.low is not None and test.high is not None:
        bar = f'<path class="interval" d="M{at(test.low)},{middle}H{at(test.high)}"/>'
    return Markup(
        '<svg class="strip {}" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
        '<path class="threshold" d="M{},1V{}"/>{}<circle cx="{}" cy="{}" r="4.5"/></svg>'
    ).format(
        side, WIDTH, HEIGHT, WIDTH, HEIGHT, claim_effect(result), WIDTH / 2, HEIGHT - 1, Markup(bar),
        at(test.mean), middle,
    )  # fmt: skip


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
