"""`etl-bench doctor`: checks this machine, the feature cache, and prints pages of the documentation."""

from difflib import get_close_matches
from typing import Annotated, Any

import typer

from bench.api import cache_content, check_machine, clear_caches, repair_cache
from bench.cli import _options as opt
from bench.cli._commands import Commands
from bench.cli._options_of import options_of
from bench.cli._print import print_markdown, print_rows, remark
from bench.errors import UsageError

doctor_app = Commands(invoke_without_command=True)
cache_app = Commands(
    help="Inspect or clear the cache of frozen features and page parts. Deleting it costs time but changes no result.",
    no_args_is_help=True,
)


doctor_app.add_typer(cache_app, name="cache")


@doctor_app.callback()
@options_of(check_machine)
def doctor(context: typer.Context, as_json: opt.AsJson = False, **options: Any) -> None:
    """Check Python, packages, device, folders and database; exit code 1 if there is a problem.

    `doctor cache` inspects and clears the cache, and `doctor docs` prints the documentation.
    """
    if context.invoked_subcommand is not None:
        return
    findings = check_machine(**options)
    print_rows([vars(item) for item in findings], as_json=as_json)
    raise typer.Exit(0 if all(item.fine for item in findings) else 1)


_COLUMNS = ("backbone", "of", "precision", "device", "folder", "shards", "MiB")


@cache_app.command("info")
@options_of(cache_content)
def info(as_json: opt.AsJson = False, **options: Any) -> None:
    """List the cached features by backbone, and the cached page parts."""
    found = cache_content(**options)
    remark(f"{found.folder}: {found.bytes / 2**20:.1f} MiB")
    print_rows(found.rows, _COLUMNS, as_json=as_json)


@cache_app.command("verify")
@options_of(repair_cache)
def _verify(**options: Any) -> None:
    """Read every file and delete damaged files; exit code 1 if there were any."""
    bad = repair_cache(**options)
    for path in bad:
        remark(f"deleted {path}: damaged; its features are recomputed when needed")
    remark(f"{len(bad)} damaged shards")
    raise typer.Exit(1 if bad else 0)


@cache_app.command("clear")
@options_of(clear_caches)
def clear(**options: Any) -> None:
    """Delete the whole cache, the features of one backbone, or the least recently used features."""
    freed, folder = clear_caches(**options)
    remark(f"{freed / 2**20:.1f} MiB freed in {folder}")


Topic = Annotated[str | None, typer.Argument(help="A topic, such as `datasets`. Default: list all topics.")]


@doctor_app.command("docs")
def docs(topic: Topic = None, as_json: opt.AsJson = False) -> None:
    """Print a page of the documentation, or list the pages."""
    from bench.api import documentation_pages, page_title

    pages = documentation_pages()
    if topic is None:
        print_rows([{"topic": name, "title": page_title(page)} for name, page in pages.items()], as_json=as_json)
        return
    if topic not in pages:
        near = get_close_matches(topic, pages, n=1)
        asked = f"Did you mean {near[0]}? " if near else ""
        raise UsageError(f"There is no page {topic!r}. {asked}`etl-bench doctor docs` lists the topics.")
    print_markdown(pages[topic].read_text(encoding="utf-8"))
