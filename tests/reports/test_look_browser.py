"""The look of the first screen: colours, type, distances and places of its elements are those that are stored.

Texts have other widths with other fonts, so places are compared within a few pixels, and only where no text moves them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from report_sample import catalogue, difficulty_frame, runs_frame

pytest.importorskip("websocket", reason="websocket-client is not installed")

from reports.presenters.content import PageContent
from reports.presenters.site import site_view

STORED = Path(__file__).with_name("first_screen_look.json")
WRITE = "python -m pytest tests/reports/test_look_browser.py --write-look"
SCREENS = {
    "390": (390, 1, "light"),
    "1024": (1024, 1, "light"),
    "1440": (1440, 1, "light"),
    "1440 dark": (1440, 1, "dark"),
    "720 at 200 %": (720, 2, "light"),
}
"""Width in CSS px, pixels of the screen for each, and colour scheme."""
LOOKED_AT = (
    "body, header.top, .brand, .facts, .theme, #headline, #known, #known b, .key-bar, .key-line, "
    ".controls, .views button, .views button[aria-pressed=true], .controls select, #map, .map, .map .about b, "
    ".key-dash, .key-disc, .scale-title, .scale .g3, .scale .l3, .levels i, .map .group, .map .group b, .band- "
    "plot, .map .heads th, .map .zero td.c, .map .zero .method, .map tbody .rank, .map tbody th, .map tbody "
    ".method, .map tbody small, .map tbody .score, .map tbody .mean, .map tbody td.reach, .map tbody .g1, .map "
    "tbody .g3, .map tbody .g5, .map tbody .time, .turned .heads th, .turned .means td, .turned tbody th, .turned "
    "tbody small, .turned tbody .g3, .turned-note, .answers, .answers .lead, .answers .lead b, .card-answer, "
    ".card-answer b, .card-answer p, .first > .sections, .sections li, "
    ".sections a"
)
PLACED = (
    "header.top",
    "#headline",
    ".controls",
    "#map",
    ".map",
    ".map tbody td.reach",
    ".band-plot",
    ".answers",
    ".card-answer",
)
NEAR = 4
"""The pixels by which a place may differ."""
STYLES = (
    "color, backgroundColor, fontSize, fontWeight, padding, margin, borderWidth, borderColor, borderRadius, gap, "
    "textAlign, textDecorationLine, position"
)


@pytest.fixture(scope="module")
def view():
    runs = runs_frame(protocols=("base-to-new",))
    runs = runs[~runs["method"].isin(["cocoop", "maple"])]
    return site_view(PageContent(runs, difficulty_frame(), catalogue(), package_version="0"))


def look_of(page):
    """The place (the left end, or None) and the computed styles of the first visible element of each selector."""
    found = {}
    for selector in LOOKED_AT.split(", "):
        if styles := page.styles(selector, *STYLES.split(", ")):
            place = round(page.box(selector).left) if selector in PLACED else None
            found[selector] = [place, " | ".join(styles[0])]
    return found


@pytest.fixture(params=SCREENS)
def screen(request, tab, url):
    """The page on a screen, with the name of the screen."""
    width, density, scheme = SCREENS[request.param]
    metrics = {"width": width, "height": 900, "deviceScaleFactor": density, "mobile": False}
    tab.call("Emulation.setDeviceMetricsOverride", **metrics)
    tab.call("Emulation.setScrollbarsHidden", hidden=True)
    tab.emulate(scheme=scheme)
    tab.open("about:blank")
    tab.open(url)
    return tab, request.param


def as_text(looks):
    """JSON with a line for each element."""
    screens = [
        f"{json.dumps(name)}: {{\n" + ",\n".join(f"{json.dumps(one)}: {json.dumps(look[one])}" for one in look) + "}"
        for name, look in looks.items()
    ]
    return "{" + ",\n".join(screens) + "}\n"


def differences(stored, now):
    """What is not as it was stored, as texts."""
    found = [f"{selector}: not there" for selector in stored.keys() - now.keys()]
    found += [f"{selector}: new" for selector in now.keys() - stored.keys()]
    for selector in stored.keys() & now.keys():
        (place, styles), (before, old) = now[selector], stored[selector]
        if abs((place or 0) - (before or 0)) > NEAR:
            found.append(f"{selector}: at {place} px, was at {before}")
        pairs = zip(STYLES.split(", "), styles.split(" | "), old.split(" | "), strict=True)
        found += [f"{selector}: {name} {one}, was {other}" for name, one, other in pairs if one != other]
    return sorted(found)


def test_the_look_is_the_stored_one(screen, request):
    page, name = screen
    now = look_of(page)
    known = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    if request.config.getoption("--write-look", default=False):
        STORED.write_text(as_text(known | {name: now}), encoding="utf-8")
        return
    assert differences(known[name], now) == [], f"if the change is wanted, look at the page, then: {WRITE}"


CARELESS = (
    ".answers > div { padding: 18px 8px 0 !important; }",
    ":root { --soft: #57606c !important; }",
    ".map .mean { font-weight: 400 !important; }",
)


@pytest.mark.parametrize("style", CARELESS)
def test_a_careless_change_of_style_is_found(page, style):
    page.size(1440, 900)
    before = look_of(page)
    page.run(f"document.head.append(Object.assign(document.createElement('style'), {{ textContent: {style!r} }}))")
    assert differences(before, look_of(page)) != []
