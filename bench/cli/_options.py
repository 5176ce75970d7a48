"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.sweep import cache_folder, cores, parse_choice, parse_numbers, split_list

__all__ = ["cache_folder", "cores", "parse_choice", "parse_numbers", "split_list"]

DEMO_BACKBONE = "ViT-demo.drawn"
DEFAULT_RUNS = Path("runs")

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
