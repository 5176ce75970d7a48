"""`etl-bench doctor`: checks this machine, the feature cache, and prints pages of the documentation."""

from typing import Any

import typer

from bench.api import cache_table, check_machine, clear_caches, page_text, pages_table, repair_cache
from bench.cli import _options as opt
from bench.cli._commands import Commands
from bench.cli._groups import LIST, ListsByDefault
from bench.cli._options_of import options_of
from bench.cli._print import print_markdown, print_table, remark

doctor_app = Commands(invoke_without_command=True)
cache_app = Commands(
    help="List or clear the cache of frozen features and page parts. Deleting it costs time but changes no result.",
    cls=ListsByDefault,
)


doctor_app.add_typer(cache_app, name="cache")


@doctor_app.callback()
@options_of(check_machine)
def doctor(context: typer.Context, as_json: opt.AsJson = False, **options: Any) -> None:
    """Check Python, packages, device, methods, datasets, folders and database; exit code 1 if there is a problem.

    `doctor cache` inspects and clears the cache, and `doctor docs` prints the documentation.
    """
    if context.invoked_subcommand is not None:
        return
    findings = check_machine(**options)
    print_table(findings, as_json=as_json)
    raise typer.Exit(0 if all(row["fine"] for row in findings.rows) else 1)


@cache_app.command(LIST)
@options_of(cache_table)
def _list_command(as_json: opt.AsJson = False, **options: Any) -> None:
    """List the cached features by backbone, and the cached page parts."""
    print_table(cache_table(**options), as_json=as_json)


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


@doctor_app.command("docs")
@options_of(page_text)
def docs(topic: str | None = None, as_json: opt.AsJson = False) -> None:
    """Print a page of the documentation, or list the pages."""
    if topic is None:
        print_table(pages_table(), as_json=as_json)
    else:
        print_markdown(page_text(topic))
