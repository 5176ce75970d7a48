"""Renders views to one HTML file that needs no network: it contains styles, scripts, data and images.

The HTML has the frame, and the answer, map and chart of the setting with the most runs. Scripts draw whatever changes
with a choice from the data of the page.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from bench.results import write_output
from reports.page_data import packed_text, page_data, pictures_data
from reports.page_file import page_environment
from reports.parts.claims import (
    by_claim,
    claim_effect,
    claim_numbers,
    claim_setting,
    claim_settings,
    claim_test,
)
from reports.sentences import (
    failed_runs,
    first_shown,
    missing_runs,
)
from reports.titles import PART_TITLES, PUBLISHED_SECTIONS, SECTIONS, Section
from reports.views import SiteView

STYLES = ("tokens", "page", "tables", "map", "charts", "first_screen", "narrow", "pages", "error_analysis", "media")
"""Style files in order: later rules win; `media` adapts the others to narrow screens and paper."""
SCRIPTS = (
    "page",
    "theme",
    "fitting_tables",
    "copy_tables",
    "tables",
    "pairs",
    "parts",
    "settings",
    "charts",
    "sections",
    "choice",
    "map",
    "follow_choice",
    "error_analysis",
    "pages",
    "links",
)
"""Script files, concatenated into one function; `page` defines shared names."""
NARROW = (
    "@media screen and (max-width: 1008px)",
    "@media (max-width: 1330px) { :where(#map:has(> .several))",
    ":where(#map:has(> .many))",
)
"""Where the map is turned: in narrow windows, and with more datasets than its columns have room for."""
STYLE_NOTES = re.compile(r"/\*.*?\*/|^ +", re.DOTALL | re.MULTILINE)
"""Comments and indentation of style files."""
WRITTEN = ("claims", "runs")
"""The parts of sections that have content without scripts."""


def render_site(site: SiteView, out: Path, *, force: bool = False) -> Path:
    """Write the page of `site` to the file `out` and return its path; missing folders are created.

    The file is self-contained, and its content security policy forbids requests. Readers see the old or the new page,
    never a partial one.

    Args:
        force: replace a file that is not a page of etl-bench; without it, UsageError is raised.

    Example:
        >>> from tempfile import mkdtemp
        >>> from reports.views import SiteView
        >>> site = SiteView(title="My runs", package_version="0.1.0", generated_at="2026-11-25 12:00 UTC")
        >>> page = render_site(site, Path(mkdtemp()) / "index.html")
        >>> "The results database has no runs yet." in page.read_text("utf-8")
        True
    """
    environment = page_environment()
    first = first_shown(site)
    block, evidence = page_data(site, first)
    home = block["settings"].get(block["first"], {})
    answers = home["answers"][home["measures"][-1]] if home else {}
    written = {"map": answers.pop("map")} if home else {}  # in the HTML, and not again in the data
    page = environment.get_template("page.html.j2").render(
        site=site,
        view=site.overviews[first] if site.overviews else None,
        board=home,
        shown=written,
        sections=_sections(site),
        written=WRITTEN,
        drawn={*home.get("sections", ()), *block["sections"]},
        missing_runs=missing_runs,
        failed_runs=failed_runs,
        by_claim=by_claim,
        claim_test=claim_test,
        claim_setting=claim_setting,
        claim_settings=claim_settings,
        claim_numbers=claim_numbers,
        claim_effect=claim_effect,
        evidence={name: packed_text(_json(value)) for name, value in {"page": block, **evidence}.items()},
        pictures=json_island(pictures_data(site)),
        style=Markup(STYLE_NOTES.sub("", _style(environment))),
        script=_without_comments(_sources(environment, "script/{}.js", SCRIPTS)),
        part_titles=PART_TITLES | {part.name: part.title for part in site.added},
    )
    return write_output(out, page.encode(), force=force)


def _sections(site: SiteView) -> Sequence[Section]:
    """The sections that apply to the page, with the parts that have something to show."""
    if not (site.boards or site.published_boards):
        return ()
    has_content = {
        "claims": any(result.verdict != "not tested" for result in site.claims),
        "head_to_head": any(len(board.verdict.ranked) > 1 for board in site.boards),
        "published": site.reproduction,
        "error_analysis": site.error_analysis.lists,
    }
    sections = []
    for section in PUBLISHED_SECTIONS if site.published_boards else SECTIONS:
        added = [part.name for part in site.added if part.section == section.name]
        sections.append(
            replace(section, parts=(*added, *(part for part in section.parts if has_content.get(part, True))))
        )
    return [section for section in sections if section.parts]


def json_island(value: object) -> Markup:
    """JSON for a script element, with every character escaped that could end the element or open another one."""
    return Markup(_json(value).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def _without_comments(script: Markup) -> Markup:
    """A script without indentation and without lines that are comments."""
    lines = (line.strip() for line in script.split("\n"))
    return Markup("\n").join(Markup(line) for line in lines if line and not line.startswith("//"))


def _style(environment: Environment) -> str:
    """The style sheets; that of narrow windows holds where a map has no room for a column of each dataset."""
    narrow = str(_sources(environment, "style/{}.css", ["narrow"]))
    turned = "".join(f"{where} {{ {narrow} }}{'}' * where.count('{')}\n" for where in NARROW)
    before, after = STYLES[: STYLES.index("narrow")], STYLES[STYLES.index("narrow") + 1 :]
    return "".join(
        [_sources(environment, "style/{}.css", before), "\n", turned, _sources(environment, "style/{}.css", after)]
    )


def _sources(environment: Environment, pattern: str, names: Sequence[str]) -> Markup:
    """The concatenated text of files in the template folder."""
    assert environment.loader is not None
    sources = (environment.loader.get_source(environment, pattern.format(name))[0] for name in names)
    return Markup("\n".join(sources))
