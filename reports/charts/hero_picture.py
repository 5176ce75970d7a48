"""The chart of the first screen as self-contained HTML for notebooks, without scripts."""

import re
from functools import cache
from importlib import resources

from reports.charts.hero import hero_svg
from reports.views import OverviewView

_CLASS = "etl-bench-picture"


def hero_picture(view: OverviewView) -> str:
    """Accuracy against difficulty as an SVG in an element with the styles that the page has."""
    svg = hero_svg(view, view.measures[-1])
    return f'<div class="{_CLASS}" style="{_variables()}max-width:860px"><style>{_rules()}</style>{svg}</div>'


@cache
def _rules() -> str:
    lines = [line for line in _style("first_screen").splitlines() if line.startswith(".picture ")]
    return "".join(line.replace(".picture ", f".{_CLASS} ") for line in lines)


@cache
def _variables() -> str:
    """The colours of the page's light theme."""
    root = re.search(r":root\s*\{([^}]*)\}", _style("page"))
    assert root is not None
    found = re.findall(r"(--[\w-]+):\s*([^;]+);", root[1])
    return "".join(f"{name}:{value};" for name, value in found if '"' not in value) + "background:var(--paper);"


def _style(name: str) -> str:
    return (resources.files("reports") / "templates" / "style" / f"{name}.css").read_text("utf-8")
