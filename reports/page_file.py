"""Template environment and file writing for the report, galleries and explanations."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined


def page_environment() -> Environment:
    """The templates; all text is escaped, and an undefined name is an error."""
    return Environment(
        loader=PackageLoader("reports"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_html(out: Path, page: str) -> Path:
    """Write a page atomically; creates its folder if needed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.draft")
    try:
        draft.write_text(page, encoding="utf-8")
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return out
