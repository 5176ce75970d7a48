"""Hooks of the documentation site: the sizes and colours of the report, and what keyboards and screen readers need."""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

TOKENS = "stylesheets/tokens.css"
"""The sizes, weights and colours of the report within the site."""
_SOURCE = Path(__file__).parents[1] / "reports" / "templates" / "style" / "tokens.css"
_WIDE = re.compile(r"<(?:table|pre)(?=[ >])|<div class=\"notebook-output\"")
"""What scrolls where a window is narrow."""
_PARTS = re.compile(r' role="graphics-(?:symbol|object)"')
"""Roles within a picture, which is described as a whole."""
_SEARCH = 'data-md-component="search" role="dialog"'
"""The theme's search, a dialog without a name."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the sizes and colours of the report."""
    files.append(File.generated(config, TOKENS, abs_src_path=str(_SOURCE)))
    return files


def on_page_content(html: str, **_: Any) -> str:
    """Make what scrolls reachable by keyboard, and leave out what is said of parts of pictures."""
    return _WIDE.sub(lambda found: f'{found[0]} tabindex="0"', _PARTS.sub("", html))


def on_post_page(output: str, **_: Any) -> str:
    """Name the dialog of the search."""
    return output.replace(_SEARCH, f'{_SEARCH} aria-label="Search"')


on_post_template = on_post_page
"""The same for 404.html, which the theme makes from a template and not from a page."""
