"""Seconds until a report can be used, in a browser whose processor is slowed down."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from chromium import browser, find_chromium
from report_sample import catalogue, difficulty_frame, many_methods, runs_frame

from reports import render_site
from reports.presenters.content import PageContent
from reports.presenters.site import site_view
from tools.perf.table import Goal, Row

SLOWDOWN = 10
PAGES = {"page": (8, (16,), 2.0), "page_32x5": (32, (1, 2, 4, 8, 16), 4.0)}
"""By row: methods, shots, and the seconds that are the goal on an idle machine."""


def page_row(name: str, repeats: int) -> Row:
    """Median seconds from the request of a page to the first frame after its scripts have run."""
    methods, shots, goal = PAGES[name]
    work = f"report of {methods} methods x {len(shots)} shots, until it can be used (browser at 1/{SLOWDOWN} speed)"
    if find_chromium() is None:
        return Row(work, Goal(seconds=goal), None, note="no chromium on this machine")
    with tempfile.TemporaryDirectory() as folder:
        with many_methods(methods):
            runs = runs_frame(protocols=("base-to-new",), shots=shots)
            content = PageContent(runs, difficulty_frame(), catalogue(), package_version="0")
            page = render_site(site_view(content), Path(folder) / "report.html")
        size = f"{page.stat().st_size / 1e6:.2f} MB"
        with browser(Path(folder) / "profile") as tab:
            tab.size(1440, 900)
            tab.call("Emulation.setCPUThrottlingRate", rate=SLOWDOWN)
            seconds = []
            for _ in range(repeats):
                tab.open("about:blank")
                tab.open(page.as_uri())
                done = "requestAnimationFrame(() => setTimeout(() => done(performance.now() / 1000)))"
                seconds.append(tab.run(f"new Promise((done) => {done})"))
    return Row(work, Goal(seconds=goal), statistics.median(seconds), note=size)
