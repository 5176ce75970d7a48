"""A sweep request: what it accepts and what it refuses."""

from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.sweep import RerunPolicy, SweepRequest
from datasets_registry import EvalProtocol


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
        ({"precision": "fp8"}, r"--precision 'fp8' is unknown\..* Allowed: fp32"),
        ({"draw": "nest"}, r"--draw 'nest' is unknown\. Did you mean 'nested'\?"),
        ({"n_shots": 3}, "'n_shots' is not an option"),
    ],
)
def test_a_wrong_value_is_one_line(values: dict, message: str):
    with pytest.raises(UsageError, match=message):
        build(**values)


def test_what_is_missing_is_named():
    with pytest.raises(UsageError, match="Missing option --datasets"):
        SweepRequest.build(methods="coop")
