"""Hooks of the documentation site.

Each notebook of docs/ becomes a page, the reference pages and the report of published numbers are made here, and pages
of the root keep their links.
"""

import json
import re
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from bench.api import report_request, write_report
from tools.generate_docs import REFERENCE_PAGES

INCLUDED = re.compile(r'^--8<-- "(\w+\.md)"$', re.MULTILINE)


class NotebookPage(File):
    """A notebook that the site renders like a Markdown file; links to it lead to its page."""

    def is_documentation_page(self) -> bool:
        """It is one."""
        return True


LEADERBOARD = "published-leaderboard.html"
"""The report of published numbers within the site."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace each notebook by its page, and add the reference pages and the report of published numbers."""
    files.append(File.generated(config, LEADERBOARD, content=published_report()))
    for name, text_of in REFERENCE_PAGES.items():
        files.append(File.generated(config, f"reference/{name}", content=text_of()))
    for file in list(files):
        if file.src_uri.endswith(".ipynb"):
            page = NotebookPage(file.src_uri, file.src_dir, config.site_dir, config.use_directory_urls)
            page.content_string = as_markdown(json.loads(file.content_string))
            files.remove(file)
            files.append(page)
    return files


def published_report() -> str:
    """The page that `etl-bench report --source published` writes."""
    with TemporaryDirectory() as folder:
        done = write_report(report_request(out=Path(folder) / LEADERBOARD, source="published"))
        return done.page.read_text(encoding="utf-8")


def on_page_markdown(markdown: str, *, config: MkDocsConfig, **_: Any) -> str:
    """Include a file of the repository's root: its links into docs/ are links within the site."""

    def content(found: re.Match[str]) -> str:
        text = Path(config.config_file_path).with_name(found[1]).read_text(encoding="utf-8")
        return text.replace("](docs/", "](")

    return INCLUDED.sub(content, markdown)


def as_markdown(notebook: dict[str, Any]) -> str:
    """The notebook with its stored outputs as Markdown."""
    blocks = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        blocks.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        blocks += [_output(output) for output in cell.get("outputs", ())]
    return "\n\n".join(blocks) + "\n"


def _output(output: dict[str, Any]) -> str:
    """One output: printed text, a table, or an image."""
    data = {mime: "".join(content) for mime, content in output.get("data", {}).items()}
    if "text/html" in data:
        body = "".join(line for line in data["text/html"].splitlines(keepends=True) if line.strip())
        return f'<div class="notebook-output">\n{body}\n</div>'
    if "image/png" in data:
        name = escape(data.get("text/plain", ""))
        return f'<div class="notebook-output"><img alt="{name}" src="data:image/png;base64,{data["image/png"]}"></div>'
    text = data.get("text/plain") or "".join(output.get("text", ()))
    return f"```text\n{text.rstrip()}\n```"
