"""The theme of the documentation site: sizes and colours of the report, and accessibility in light and dark."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("websocket", reason="websocket-client is not installed")
pytest.importorskip("material", reason="mkdocs-material is not installed")
from chromium import Page, serious_findings
from places import ROOT

PAGE = """# Small

A [link](index.md) within a sentence, and `code`.

| a | b |
|---|---|
| 1 | [two](index.md) |

```python
@decorated
def method(x: int = 1) -> str:  # longer than the window of a phone, so that the block scrolls
    return f"text {x + 1}" if x else None
```
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page in the theme of the site, without its other pages and plugins."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs" / "stylesheets", folder / "docs" / "stylesheets")
    (folder / "docs" / "index.md").write_text(PAGE)
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nplugins:")[0]
    hooks = "hooks: [tools/site_hooks.py, tools/site_style.py]"
    assert hooks in text
    text = text.replace(hooks, f"hooks: [{ROOT / 'tools' / 'site_style.py'}]")
    (folder / "mkdocs.yml").write_text(f"{text}\nplugins: [search]\n")
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    subprocess.run([sys.executable, "-m", "mkdocs", "build", "--quiet"], cwd=folder, env=environment, check=True)
    return folder / "site" / "index.html"


@pytest.mark.parametrize(("scheme", "width"), [("default", 320), ("slate", 320), ("default", 1280), ("slate", 1280)])
def test_a_page_has_the_type_of_the_report_and_no_serious_finding(
    site: Path, tab: Page, scheme: str, width: int
) -> None:
    tab.size(width, 900)
    tab.open("about:blank")
    tab.open(site.as_uri())
    tab.run("document.head.insertAdjacentHTML('beforeend', '<style>* { transition: none !important }</style>')")
    tab.run(f"document.body.dataset.mdColorScheme = '{scheme}'")
    assert serious_findings(tab) == []
    assert tab.run("getComputedStyle(document.querySelector('article p')).fontSize") == "14px"
    tab.wait(f"document.documentElement.scrollWidth <= {width}")
