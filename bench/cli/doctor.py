"""`etl-bench doctor`: checks this machine, the feature cache, and prints pages of the documentation."""

from difflib import get_close_matches
from typing import Annotated

import typer

from bench.cli import _options as opt
from bench.cli._commands import Commands
from bench.cli._print import print_markdown, print_rows, remark
from bench.errors import UsageError

doctor_app = Commands(invoke_without_command=True)
cache_app = Commands(
    help="Inspect or clear the cache of frozen features and page parts. Deleting it costs time but changes no result.",
    no_args_is_help=True,
)


doctor_app.add_typer(cache_app, name="cache")


@doctor_app.callback()
def doctor(
    context: typer.Context,
    data_root: opt.AnyDataRoot = None,
    runs: opt.WrittenRuns = opt.DEFAULT_RUNS,
    cache: opt.Cache = None,
    as_json: opt.AsJson = False,
) -> None:
    """Check Python, packages, device, folders and database; exit code 1 if there is a problem.

    `doctor cache` inspects and clears the cache, and `doctor docs` prints the documentation.
    """
    from bench.api import check_machine

    if context.invoked_subcommand is not None:
        return
    findings = check_machine(data_root, runs, cache)
    print_rows([vars(item) for item in findings], as_json=as_json)
    raise typer.Exit(0 if all(item.fine for item in findings) else 1)


_COLUMNS = ("backbone", "of", "precision", "device", "folder", "shards", "MiB")


@cache_app.command("info")
def info(cache: opt.Cache = None, as_json: opt.AsJson = False) -> None:
    """List the cached features by backbone, and the cached page parts."""
    from bench.api import cache_content

    found = cache_content(cache)
    remark(f"{found.folder}: {found.bytes / 2**20:.1f} MiB")
    print_rows(found.rows, _COLUMNS, as_json=as_json)


@cache_app.command("verify")
def _verify(cache: opt.Cache = None) -> None:
    """Read every file and delete damaged files; exit code 1 if there were any."""
    from bench.api import repair_cache

    bad = repair_cache(cache)
    for path in bad:
        remark(f"deleted {path}: damaged; its features are recomputed when needed")
    remark(f"{len(bad)} damaged shards")
    raise typer.Exit(1 if bad else 0)


@cache_app.command("clear")
def clear(
    backbone: Annotated[str | None, typer.Argument(help="Only this backbone, by a prefix of its name.")] = None,
    keep: Annotated[
        str | None, typer.Option("--keep", help="Keep the most recently used features up to this size, such as 5G.")
    ] = None,
    cache: opt.Cache = None,
) -> None:
    """Delete the whole cache, the features of one backbone, or the least recently used features."""
    from bench.api import clear_caches

    freed, folder = clear_caches(backbone, keep, cache)
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
