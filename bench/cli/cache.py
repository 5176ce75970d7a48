"""`etl-bench cache`: size, integrity and cleaning of the feature cache."""

from typing import Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_rows, remark
from bench.errors import UsageError

cache_app = typer.Typer(
    help="Inspect or clear the cache of frozen features and page parts. Deleting it costs time but changes no result.",
    no_args_is_help=True,
)


_COLUMNS = ("backbone", "of", "precision", "device", "folder", "shards", "MiB")


@cache_app.command("info")
def info(cache: opt.Cache = None, as_json: opt.AsJson = False) -> None:
    """List the cached features by backbone, and the cached page parts."""
    from bench.experiment.features import cache_folder as store
    from bench.results import FOLDER, TextCache

    folder = opt.cache_folder(cache)
    kept, pages = store.cache_info(folder), TextCache(folder).sizes()
    rows = [
        dict(
            zip(
                _COLUMNS,
                (c.slug, c.kind, c.precision, c.device, c.name, c.blocks, round(c.bytes / 2**20, 1)),
                strict=True,
            )
        )
        for c in kept
    ]
    if pages:
        size = round(sum(pages.values()) / 2**20, 1)
        rows.append(dict(zip(_COLUMNS, ("", "pages", "", "", FOLDER, len(pages), size), strict=True)))
    total = sum(c.bytes for c in kept) + sum(pages.values())
    remark(f"{folder}: {total / 2**20:.1f} MiB")
    print_rows(rows, _COLUMNS, as_json=as_json)


@cache_app.command("verify")
def verify(cache: opt.Cache = None) -> None:
    """Read every file and delete damaged files; exit code 1 if there were any."""
    from bench.experiment import remove
    from bench.experiment.features import cache_folder as store

    bad = store.damaged_files(opt.cache_folder(cache))
    remove(bad)
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
    from bench.experiment import make_room
    from bench.experiment.features import cache_folder as store
    from bench.results import TextCache

    folder = opt.cache_folder(cache)
    if keep is not None and backbone is not None:
        raise UsageError("Give a backbone or --keep, not both.")
    freed = store.clear_cache(folder, backbone) if keep is None else make_room(folder, store.parse_size(keep))
    if keep is None and backbone is None:
        freed += TextCache(folder).clear()
    remark(f"{freed / 2**20:.1f} MiB freed in {folder}")
