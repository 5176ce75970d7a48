"""`etl-bench cache`: what the frozen features take, whether they are whole, and making room."""

from __future__ import annotations

from typing import Annotated

import typer

from bench.cli import _options as opt

cache_app = typer.Typer(
    help="The cache: frozen features, and parts of pages. Deleting any of it costs time, never a number.",
    no_args_is_help=True,
)


@cache_app.command("info")
def info(cache: opt.Cache = None, as_json: opt.AsJson = False) -> None:
    """List the features kept, by backbone, and what pages keep."""
    from bench._util.text_cache import FOLDER, TextCache
    from bench.cli._print import print_rows, remark
    from bench.experiment.features import cache as store

    folder = opt.cache_folder(cache)
    kept, pages = store.info(folder), TextCache(folder).sizes()
    rows = [
        {
            "backbone": c.slug,
            "of": c.kind,
            "precision": c.precision,
            "folder": c.name,
            "shards": c.blocks,
            "MiB": round(c.bytes / 2**20, 1),
        }
        for c in kept
    ]
    if pages:
        size = round(sum(pages.values()) / 2**20, 1)
        more = {"backbone": "", "of": "pages", "precision": "", "folder": FOLDER, "shards": len(pages), "MiB": size}
        rows.append(more)
    total = sum(c.bytes for c in kept) + sum(pages.values())
    remark(f"{folder}: {total / 2**20:.1f} MiB")
    print_rows(rows, ["backbone", "of", "precision", "folder", "shards", "MiB"], as_json=as_json)


@cache_app.command("verify")
def verify(cache: opt.Cache = None) -> None:
    """Read everything and delete what is torn or altered; exit 1 if there was any."""
    from bench.cli._print import remark
    from bench.experiment.features import cache as store
    from bench.experiment.features.budget import remove

    bad = store.damaged(opt.cache_folder(cache))
    remove(bad)
    for path in bad:
        remark(f"deleted {path}: torn or altered; its features are computed again when needed")
    remark(f"{len(bad)} damaged shards")
    raise typer.Exit(1 if bad else 0)


@cache_app.command("clear")
def clear(
    backbone: Annotated[str | None, typer.Argument(help="Only this backbone, by the beginning of its name.")] = None,
    keep: Annotated[str | None, typer.Option("--keep", help="Keep what was used last, up to a size as 5G.")] = None,
    cache: opt.Cache = None,
) -> None:
    """Delete everything, the features of one backbone, or those least recently used."""
    from bench._util.text_cache import TextCache
    from bench.cli._print import remark
    from bench.errors import UsageError
    from bench.experiment.features import cache as store
    from bench.experiment.features.budget import make_room

    folder = opt.cache_folder(cache)
    if keep is not None and backbone is not None:
        raise UsageError("Give a backbone or --keep, not both.")
    freed = store.clear(folder, backbone) if keep is None else make_room(folder, store.parse_size(keep))
    if keep is None and backbone is None:
        freed += TextCache(folder).clear()
    remark(f"{freed / 2**20:.1f} MiB freed in {folder}")
