"""`etl-bench demo`: runs the whole benchmark on a small backbone and synthetic datasets, without a download."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import _options as opt
from bench.cli._answer import print_answer
from bench.cli._print import print_line
from bench.results import check_output_folder

if TYPE_CHECKING:
    from bench.sweep import SweepRequest

METHODS = (
    "zero_shot", "coop", "deep_text_prompts", "clip_adapter", "text_adapter", "vpt", "vpt_text_adapter",
    "text_prompts_visual_adapter", "ivlp", "maple", "apex",
)  # fmt: skip
"""Zero-shot, prompts and adapters of one or both towers, and every method that a base-to-new claim compares."""
TEST_IMAGES = 10
"""Per class. Shots and test images are few because the time of most runs is proportional to them."""
SHOTS = 6
DATASETS = tuple(
    f"spectrum_{name}:test={TEST_IMAGES}"
    for name in (
        "basic", "blur", "clutter", "layout", "sketch", "words", "colours", "textures", "counting", "landcover",
        "angles",
    )
)  # fmt: skip
"""The whole suite, from easy to hard."""
SEEDS = (1, 2, 3)
QUICK_METHODS = ("zero_shot", "coop", "clip_adapter", "vpt")
QUICK_DATASETS = tuple(f"spectrum_{name}:test={TEST_IMAGES}" for name in ("basic", "blur", "words"))


def demo(
    quick: Annotated[bool, typer.Option("--quick", help="Three datasets, four methods, one seed.")] = False,
    runs: opt.WrittenRuns = Path("runs/demo"),
    site: Annotated[Path, typer.Option("--site", help="Folder of the report.")] = Path("site"),
    curve: Annotated[bool, typer.Option("--curve", help="Also record the accuracy during each training.")] = False,
    cache: opt.Cache = None,
    jobs: opt.Jobs = None,
    runner: opt.RunnerName = "bench.experiment.runner",
) -> None:
    """Run eleven methods on eleven synthetic datasets with the included backbone and build the report; no download.

    Each method trains briefly (`--recipe demo`) with three seeds on six images per class and is tested on ten. This
    takes about two minutes on two cores. The command then prints a small leaderboard, its main finding and two commands
    to try next.
    """
    from bench.api import Results, run_request
    from bench.cli.report import write_report
    from bench.sweep import LogStyle, open_log
    from reports.site.build import PageRequest

    check_output_folder(site, "--site")
    request = demo_request(quick=quick, curve=curve, runs=runs, cache=cache, jobs=jobs, runner=runner)
    outcome = run_request(request, open_log(LogStyle.AUTO))
    if not outcome.summary.interrupted:
        page = PageRequest(runs, site / "index.html", with_run_files=True)
        write_report(page)
        print_answer(Results(runs, frozenset(spec.run_id for spec in outcome.plan.specs)))
        print_line(f"\nReport: {page.out}\nNext:")
        for command in next_commands(runs, quick=quick):
            print_line(f"  {command}")
    raise typer.Exit(outcome.exit_code)


def demo_request(*, quick: bool, **options: Any) -> SweepRequest:
    """The runs of the demo; other options are those of `etl-bench run`."""
    from bench.sweep import RecipeChoice, SweepRequest

    return SweepRequest.build(
        methods=QUICK_METHODS if quick else METHODS,
        datasets=QUICK_DATASETS if quick else DATASETS,
        shots=[SHOTS],
        seeds=SEEDS[:1] if quick else SEEDS,
        recipe=RecipeChoice.DEMO,
        device="cpu",  # towers this small are not faster on a GPU, and the numbers are the same everywhere
        keep_branches=True,
        **options,
    )


def next_commands(runs: Path, *, quick: bool) -> list[str]:
    """Two commands on the demo's runs: a paired comparison and, with several seeds, the tests of the claims."""
    found = "etl-bench" if shutil.which("etl-bench") else sys.argv[0]
    program = found if Path(found).stem == "etl-bench" else f"{sys.executable} -m bench"
    first, second = ("coop zero_shot", "leaderboard") if quick else ("apex vpt_text_adapter", "claims")
    return [f"{program} {command} --runs {shlex.quote(str(runs))}" for command in (f"compare {first}", second)]
