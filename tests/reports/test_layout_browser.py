"""The first screen at four widths: nothing sticks out, no two texts overlap, and the map is high on the screen.

Pictures are not compared with stored ones, since fonts differ between machines; the places of what they show are.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from report_sample import catalogue, difficulty_frame, many_methods, runs_frame

pytest.importorskip("websocket", reason="websocket-client is not installed")

from reports.presenters.content import PageContent
from reports.presenters.site import site_view

SCREENS = {390: 844, 768: 1024, 1024: 768, 1440: 900}
"""Heights of the screens by width."""
ORDER = ("header.top", "#headline", "#known", "#views", "#map", "#cards", "nav.sections", "#cost", "footer")
"""The parts of the page, from top to bottom."""


@pytest.fixture(scope="module")
def view():
    """Twelve methods with all runs."""
    with many_methods(14):
        runs = runs_frame(protocols=("base-to-new",))
        runs = runs[~runs["method"].isin(["cocoop", "maple"])]
        content = PageContent(runs, difficulty_frame(), catalogue(), package_version="0")
        return site_view(content)


TEXTS = """(() => {
    // The visible part of each text of the page, cut by what hides the rest of it.
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const parent = walker.currentNode.parentElement;
        const text = walker.currentNode.textContent.trim();
        if (!text || parent.closest('svg, script, style, select, noscript, .skip')) continue;
        if (!parent.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
        const range = document.createRange();
        range.selectNodeContents(walker.currentNode);
        for (const line of range.getClientRects()) {
            let [left, top, right, bottom] = [line.left, line.top, line.right, line.bottom];
            for (let node = parent; node; node = node.parentElement) {
                if (getComputedStyle(node).overflowX === 'visible') continue;
                const box = node.getBoundingClientRect();
                [left, right] = [Math.max(left, box.left), Math.min(right, box.right)];
                [top, bottom] = [Math.max(top, box.top), Math.min(bottom, box.bottom)];
            }
            if (right - left > 1 && bottom - top > 1) found.push([text, left, top, right, bottom]);
        }
    }
    return found;
})()"""


def overlapping(texts):
    """Pairs of texts whose boxes share more than two pixels in both directions, which a line's ascent may."""
    found = []
    ordered = sorted(texts, key=lambda item: item[2])
    for number, (one, left, top, right, bottom) in enumerate(ordered):
        for other, other_left, other_top, other_right, other_bottom in ordered[number + 1 :]:
            if other_top >= bottom - 2:
                break
            wide = min(right, other_right) - max(left, other_left)
            high = min(bottom, other_bottom) - max(top, other_top)
            if wide > 2 and high > 2 + 0.25 * (bottom - top):
                found.append((one, other))
    return found


@pytest.mark.parametrize("width", SCREENS)
def test_every_part_lies_within_the_screen(page, width):
    page.size(width, SCREENS[width])
    page.wait(f"document.documentElement.scrollWidth <= {width}")
    boxes = {selector: page.box(selector) for selector in ("main", *ORDER)}
    for selector, box in boxes.items():
        assert 0 <= box.left < box.right <= width, selector
        assert box.top < box.bottom, selector
    for above, below in pairwise(ORDER):
        assert boxes[above].bottom <= boxes[below].top + 1, (above, below)
    assert boxes["#headline"].bottom < SCREENS[width] / 2


@pytest.mark.parametrize("width", SCREENS)
def test_no_two_texts_overlap(page, width):
    page.size(width, SCREENS[width])
    page.wait(f"document.documentElement.scrollWidth <= {width}")
    page.run("scrollTo(0, 0)")
    texts = page.run(TEXTS)
    assert len(texts) > 200
    assert overlapping(texts) == []


def test_texts_that_overlap_are_found(page):
    page.run("document.getElementById('known').style.marginTop = '-30px'")
    assert overlapping(page.run(TEXTS)) != []


def test_ten_methods_are_on_the_screen_of_a_laptop(page):
    page.size(1440, 900)
    page.run("scrollTo(0, 0)")
    rows = page.boxes(".wide-map tbody tr")
    assert rows[0].top <= 350
    assert sum(row.bottom <= 900 for row in rows) >= 10
