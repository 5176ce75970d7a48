from bench.score_texts import percent
from reports import _format


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
