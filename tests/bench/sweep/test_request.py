"""A sweep request: what it accepts and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.sweep import RerunPolicy, SweepRequest
from bench.sweep.options import Panel
from bench.sweep.request import option_of
from datasets_registry import DrawRule, EvalProtocol


def build(**values) -> SweepRequest:
    return SweepRequest.build(**{"methods": "coop", "datasets": "spectrum_basic"} | values)


def test_texts_and_lists_mean_the_same():
    texts = build(
        methods="coop,apex", shots="1,2", seeds="2", protocol="few-shot", rerun="all", overrides="coop.n_ctx=4"
    )
    values = build(
        methods=["coop", "apex"],
        shots=[1, 2],
        seeds=[1, 2],
        protocol=EvalProtocol.FEW_SHOT,
        rerun=RerunPolicy.ALL,
        overrides=["coop.n_ctx=4"],
    )
    assert texts == values
    assert build(shots=4, seeds=3) == build(shots=[4], seeds=[1, 2, 3])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"protocol": "zero"}, r"--protocol 'zero' is unknown\..* Allowed: few-shot, base-to-new"),
        ({"seeds": 0}, "--seeds '0' means no seed"),
        ({"shots": "x"}, "--shots 'x' is not a list"),
        ({"jobs": -1}, "--jobs -1: Input should be greater than or equal to 0"),
        ({"precision": "fp8"}, r"--option precision 'fp8' is unknown\..* Allowed: fp32"),
        ({"draw": "nest"}, r"--draw 'nest' is unknown\. Did you mean 'nested'\?"),
        ({"n_shots": 3}, "'n_shots' is not an option"),
        ({"jobs": 0, "memory": 2.0}, "--option memory limits worker processes"),
    ],
)
def test_a_wrong_value_is_one_line(values: dict, message: str):
    with pytest.raises(UsageError, match=message):
        build(**values)


def test_what_is_missing_is_named():
    with pytest.raises(UsageError, match="Missing option --datasets"):
        SweepRequest.build(methods="coop")


def test_a_support_list_is_given_in_two_ways():
    assert build(draw="file:l.json").supports == build(support=[Path("l.json")]).supports == [Path("l.json")]
    assert build(draw="file:l.json").draw_rule is DrawRule.COOP


def test_the_first_two_panels_hold_at_most_a_dozen_options():
    shown = [name for name in SweepRequest.model_fields if option_of(name).panel in (Panel.WHAT, Panel.HOW)]
    assert len(shown) <= 12
