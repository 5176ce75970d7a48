"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.sweep import cache_folder, cores, parse_choice, parse_numbers, split_list

if TYPE_CHECKING:
    from bench.results.shards import Shard, Shards

__all__ = ["cache_folder", "cores", "parse_choice", "parse_numbers", "split_list"]

DEMO_BACKBONE = "ViT-demo.drawn"
DEFAULT_RUNS = Path("runs")

Protocol = Annotated[str | None, typer.Option("--protocol", help="Only this protocol.")]
Shots = Annotated[str | None, typer.Option("--shots", help="Only these shots, such as 16 or 1,4,16.")]
Convention = Annotated[
    str, typer.Option("--h", help="H of average rows: h_of_means (CoOp's tables) or mean_of_h (APEX's).")
]
Backbones = Annotated[
    list[str],
    typer.Option("-b", "--backbones", help="Backbones as arch.tag, or ARCH=FILE[,quickgelu|,gelu] for local weights."),
]
Draw = Annotated[str, typer.Option("--draw", help="coop (CoOp's images), nested (1 in 2 in 4 ...) or file:PATH.")]
ClassText = Annotated[
    str,
    typer.Option(
        "--class-text",
        help="Frozen class texts: template (the dataset's), template:TEXT with {}, variant:NAME (a paper's), "
        "ensemble:select7|imagenet80|generic60, or descriptions:FILE.json.",
    ),
]
Supports = Annotated[
    list[Path],
    typer.Option(
        "--support",
        help="Support list instead of a draw: from `datasets draw`, or JSON lines of path and label. Repeatable.",
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root", envvar="ETL_BENCH_DATA", help="Folder that holds the datasets; synthetic ones need none."
    ),
]
Runs = Annotated[Path, typer.Option("--runs", help="Folder of the runs and their database.")]
Cache = Annotated[
    Path | None,
    typer.Option("--cache", envvar="ETL_BENCH_CACHE", help="Folder of frozen features. Default: a user cache folder."),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", min=0, help="Worker processes; 0 runs in this process. Default: one per core, one on a GPU."
    ),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N.")]
Easy = Annotated[
    list[str],
    typer.Option("--easy", help="Datasets that count as easy, with --hard. Default: thirds by difficulty."),
]
Hard = Annotated[list[str], typer.Option("--hard", help="Datasets that count as hard.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
RunnerName = Annotated[str, typer.Option("--runner", hidden=True, help="Module that runs one spec.")]


def shot_counts(text: str | None) -> list[int] | None:
    """The numbers of a `Shots` option, None if it was not given."""
    return None if text is None else parse_numbers(text, "--shots")


def read_run(shards: Shards, prefix: str) -> Shard:
    """The stored run whose id begins with `prefix`; raises ShardError if it is damaged."""
    from bench.errors import ShardError

    run_id = shards.find(prefix)
    if (shard := shards.read(run_id)) is None:
        raise ShardError(f"Run {run_id} was damaged and has been set aside; repeat its command to recompute it.")
    return shard
