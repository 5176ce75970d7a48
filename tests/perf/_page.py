"""Seconds until a report can be used, in a browser whose processor is slowed down."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from _table import Goal, Row
from chromium import browser, find_chromium
from report_sample import catalogue, difficulty_frame, many_methods, runs_frame

from reports import render_site
from reports.presenters.content import PageContent
from reports.presenters.site import site_view

SLOWDOWN = 10
PAGES = {"page": (8, (16,), 2.0), "page_32x5": (32, (1, 2, 4, 8, 16), 4.0)}
"""By row: methods, shots, and the seconds that are the goal on an idle machine."""


def page_row(name: str, repeats: int) -> Row:
    """Seconds from the request of a page to its first frame after all scripts, at a tenth of the processor's speed.

    The large page is compared with the small one in the same browser, in turns.
    """
    methods, shots, goal = PAGES[name]
    work = f"report of {methods} methods x {len(shots)} shots, until it can be used (browser at 1/{SLOWDOWN} speed)"
    if find_chromium() is None:
        return Row(work, Goal(seconds=goal), None, note="no chromium on this machine")
    compared = ["page"] if name != "page" else []
    with tempfile.TemporaryDirectory() as folder:
        pages = [report(Path(folder) / f"{one}.html", *PAGES[one][:2]) for one in (name, *compared)]
        ours, *other = interactive_seconds(pages, Path(folder) / "profile", repeats=repeats)
        note = f"{pages[0].stat().st_size / 1e6:.2f} MB"
    other_page = other[0] if other else None
    return Row(work, Goal(seconds=goal), ours, other_page, against="the report of 8 methods", note=note)


def report(out: Path, methods: int, shots: Sequence[int]) -> Path:
    """A report of simulated runs in the file `out`."""
    with many_methods(methods):
        runs = runs_frame(protocols=("base-to-new",), shots=tuple(shots))
        content = PageContent(
            runs, difficulty_frame(), catalogue(), package_version="0"
        )  # fmt: skip
        return render_site(site_view(content), out)


def interactive_seconds(
    pages: Sequence[Path], profile: Path, *, repeats: int, slowdown: float = SLOWDOWN
) -> list[float]:
    """Median seconds of each page, opened in turns, until the first frame after its scripts have run."""
    found: list[list[float]] = [[] for _ in pages]
    with browser(profile) as tab:
        tab.size(1440, 900)
        tab.call("Emulation.setCPUThrottlingRate", rate=slowdown)
        for _ in range(repeats):
            for times, page in zip(found, pages, strict=True):
                tab.open("about:blank")
                tab.open(page.as_uri())
                done = "requestAnimationFrame(() => setTimeout(() => done(performance.now() / 1000)))"
                times.append(tab.run(f"new Promise((done) => {done})"))
    return [statistics.median(times) for times in found]
