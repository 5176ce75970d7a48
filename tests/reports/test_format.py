import pytest

from reports import percent
from reports._format import count, plain, seconds, signed_points, size, value_text
from reports._interval_bars import interval_bars
from reports.views import Value


def test_numbers_as_text():
    assert percent(0.717) == "71.70"
    assert (signed_points(0.0123), signed_points(-0.012), signed_points(-1e-9)) == (
        "+1.23",
        "−1.20",
        "0.00",
    )
    assert (count(0), count(999), count(8192), count(3_555_072)) == ("0", "999", "8.19k", "3.56M")
    assert (seconds(0), seconds(0.123), seconds(34.4), seconds(312), seconds(9000)) == (
        "0 s",
        "0.12 s",
        "34 s",
        "5.2 min",
        "2.5 h",
    )
    assert (plain(0.0404396), size(3 << 30), size(5 << 20)) == ("0.04044", "3.0 GiB", "5 MiB")
    assert (value_text(Value(0.7, 1)), value_text(Value(0.7, 3, 0.012))) == ("70.00", "70.00 ± 1.20")


def test_strips_share_a_scale_and_are_cut_at_its_ends():
    found = interval_bars({"a": Value(0.5, 3, 0.5), "b": Value(0.6, 3, 0.01), "c": Value(0.7, 1)})
    assert found["a"].mean < found["b"].mean < found["c"].mean
    assert found["b"].mean == pytest.approx(50)
    assert (found["a"].low, found["a"].high) == (0, 100)
    assert found["c"].low is None
    assert interval_bars({}) == {}
