"""The effect of a claim with its 95 % interval against the threshold, as a strip."""

from collections.abc import Sequence

from markupsafe import Markup

from reports._format import counted, p_value, signed_points
from reports.views import ClaimResultView, ClaimView

WIDTH, HEIGHT, EDGE = 220, 22, 6
"""Size of a strip, and the margin at both ends, in px."""


def strip_reach(claims: Sequence[ClaimView]) -> float:
    """Half of the strips' range around the threshold, a fraction; it covers all effects and most intervals."""
    ends = [
        abs(value - claim.above)
        for claim in claims
        for result in claim.results
        for value in (result.effect, result.low, result.high)
        if value is not None
    ]
    return max(ends, default=0.0) or 0.01


def claim_strip(claim: ClaimView, result: ClaimResultView, reach: float) -> Markup:
    """The strip of one result; the threshold is in the middle of all strips, and `reach` is half of their width.

    Empty without an effect.
    """
    if result.effect is None:
        return Markup("")

    def at(value: float) -> float:
        return round(WIDTH / 2 + (WIDTH / 2 - EDGE) * (value - claim.above) / reach, 1)

    middle, side = HEIGHT / 2, {"supported": "good", "refuted": "bad"}.get(result.verdict, "open")
    bar = ""
    if result.low is not None and result.high is not None:
        bar = f'<path class="interval" d="M{at(result.low)},{middle}H{at(result.high)}"/>'
    return Markup(
        '<svg class="strip {}" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
        '<path class="threshold" d="M{},1V{}"/>{}<circle cx="{}" cy="{}" r="4.5"/></svg>'
    ).format(
        side, WIDTH, HEIGHT, WIDTH, HEIGHT, claim_effect(claim, result), WIDTH / 2, HEIGHT - 1, Markup(bar),
        at(result.effect), middle,
    )  # fmt: skip


def claim_effect(claim: ClaimView, result: ClaimResultView) -> str:
    """Effect, interval, threshold, number of values and p value as text; empty without an effect."""
    if result.effect is None:
        return ""
    text = f"{signed_points(result.effect)} points"
    if result.low is not None and result.high is not None:
        text += f" ({signed_points(result.low)} to {signed_points(result.high)})"
    text += f" against a threshold of {signed_points(claim.above)}"
    if result.n:
        text += f"; {counted(result.n, 'value')} over {counted(result.groups, 'dataset')}"
    return text + (f"; {p_value(result.p)}" if result.p is not None else "")
