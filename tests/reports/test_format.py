import pytest

from bench.analysis.statistics.intervals import Estimate
from bench.score_texts import percent
from reports import _format
from reports.charts.plot import interval_bars


def test_numbers_as_text():
    assert percent(0.717) == "71.70"
    assert (_format.signed_points(0.0123), _format.signed_points(-0.012), _format.signed_points(-1e-9)) == (
        "+1.23",
        "−1.20",
        "0.00",
    )
    assert (_format.count(0), _format.count(999), _format.count(8192), _format.count(3_555_072)) == (
        "0",
        "999",
        "8.19k",
        "3.56M",
    )
    assert (
        _format.seconds(0),
        _format.seconds(0.123),
        _format.seconds(34.4),
        _format.seconds(312),
        _format.seconds(9000),
    ) == (
        "0 s",
        "0.12 s",
        "34 s",
        "5.2 min",
        "2.5 h",
    )
    assert (_format.size(3 << 30), _format.size(5 << 20)) == ("3.0 GiB", "5 MiB")


def test_strips_share_a_scale_and_are_cut_at_its_ends():
    found = interval_bars(
        {"a": Estimate(0.5, 3, low=0.0, high=1.0), "b": Estimate(0.6, 3, low=0.59, high=0.61), "c": Estimate(0.7, 1)}
    )
    assert found["a"].mean < found["b"].mean < found["c"].mean
    assert found["b"].mean == pytest.approx(50)
    assert (found["a"].low, found["a"].high) == (0, 100)
    assert found["c"].low is None
    assert interval_bars({}) == {}
