"""The map under the pointer: a row keeps its colours, and its numbers stay readable."""

from __future__ import annotations

import pytest
from report_sample import catalogue, difficulty_frame, runs_frame

from reports.presenters.content import PageContent
from reports.presenters.site import site_view

CELLS = """((row) => {
    const light = (colour) => {
        const parts = colour.match(/[.\\d]+/g).slice(0, 3).map((part) => part / 255);
        const [r, g, b] = parts.map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    return [...row.querySelectorAll('td')].filter((cell) => /\\b[gl]\\d\\b/.test(cell.className)).map((cell) => {
        const { color, backgroundColor } = getComputedStyle(cell);
        const [one, other] = [color, backgroundColor].map(light);
        return [color, backgroundColor, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)];
    });
})"""
ROWS = "[...document.querySelectorAll('.map tbody tr')].filter((row) => row.checkVisibility())"
ROW = f"{ROWS}.filter((row) => row.querySelector('.g5, .g6'))[0]"


@pytest.fixture(scope="module")
def view():
    runs = runs_frame(protocols=("base-to-new",))
    return site_view(PageContent(runs, difficulty_frame(), catalogue(), package_version="0"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 600])
def test_a_row_of_the_map_keeps_its_colours_under_the_pointer(page, scheme, width):
    """The narrow page shows the turned map."""
    page.size(width, 1000)
    page.emulate(scheme=scheme)
    page.run(f"{ROW}.scrollIntoView({{ block: 'center' }})")
    page.move(1, 1)
    before = page.run(f"{CELLS}({ROW})")
    assert before
    left, top, right, bottom = page.run(
        f"(() => {{ const box = {ROW}.querySelector('.g5, .g6').getBoundingClientRect();"
        " return [box.left, box.top, box.right, box.bottom]; })()"
    )
    page.move((left + right) / 2, (top + bottom) / 2)
    page.wait(f"{ROW}.matches(':hover')")
    assert page.run(f"{CELLS}({ROW})") == before
    assert min(contrast for _, _, contrast in before) >= 4.5
