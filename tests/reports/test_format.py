import pytest

from bench.score_texts import percent, seconds, signed_points
from reports._format import count, size


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (percent(0.717), "71.70"),
        (" ".join(map(signed_points, (0.0123, -0.012, -1e-9))), "+1.23 −1.20 0.00"),
        (" ".join(map(count, (0, 999, 8192, 3_555_072))), "0 999 8.19k 3.56M"),
        (", ".join(map(seconds, (0, 0.123, 34.4, 312, 9000))), "0 s, 0.12 s, 34 s, 5.2 min, 2.5 h"),
        (f"{size(3 << 30)}, {size(5 << 20)}", "3.0 GiB, 5 MiB"),
    ],
)
def test_numbers_as_text(text, written):
    assert text == written
