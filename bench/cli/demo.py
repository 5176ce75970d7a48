"""`etl-bench demo`: the whole benchmark on a small backbone and synthetic datasets, without a download."""

from pathlib import Path
from typing import Annotated

import typer

from bench._util.output_paths import check_output_folder
from bench.cli import _options as opt

METHODS = ("zero_shot", "coop", "clip_adapter", "text_adapter", "vpt", "vpt_text_adapter", "ivlp", "apex")
"""Prompts and adapters for either encoder, both together, and no training."""
DATASETS = ("spectrum_*",)
SEEDS = (1, 2, 3)
QUICK_METHODS = ("zero_shot", "coop", "clip_adapter", "vpt")
QUICK_DATASETS = ("spectrum_basic", "spectrum_blur", "spectrum_words")
"""Ordered from easy to hard."""


def demo(
    quick: Annotated[bool, typer.Option("--quick", help="Three datasets, four methods, one seed: a minute.")] = False,
    runs: opt.WrittenRuns = Path("runs/demo"),
    site: Annotated[Path, typer.Option("--site", help="Folder of the report.")] = Path("site"),
    curve: Annotated[bool, typer.Option("--curve", help="Also record the accuracy along each training.")] = False,
    cache: opt.Cache = None,
    jobs: opt.Jobs = None,
    runner: opt.RunnerName = "bench.experiment.runner",
) -> None:
    """Run methods on eleven synthetic datasets with the embedded backbone and build the report; no download."""
    from bench.api.running import run_request
    from bench.sweep import LogStyle, RecipeChoice, SweepRequest, open_log

    check_output_folder(site, "--site")
    request = SweepRequest.build(
        methods=QUICK_METHODS if quick else METHODS,
        datasets=QUICK_DATASETS if quick else DATASETS,
        seeds=SEEDS[:1] if quick else SEEDS,
        recipe=RecipeChoice.DEMO,
        keep_branches=True,
        curve=curve,
        runs=runs,
        cache=cache,
        jobs=jobs,
        runner=runner,
    )
    outcome = run_request(request, open_log(LogStyle.AUTO))
    if not outcome.summary.interrupted:
        from bench.cli.report import report

        report(runs=runs, site=site)
    raise typer.Exit(outcome.exit_code)
