"""The runs of `etl-bench demo`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from bench.api.options import Cache, Force, Jobs, NewRuns, Opt, Runner
from bench.api.reporting import Report, report_request, write_report
from bench.sweep import RecipeChoice, SweepRequest
from datasets_registry import EvalProtocol

if TYPE_CHECKING:
    from bench.api.results import Results
    from bench.sweep import SweepOutcome

FEW_SHOT_METHODS = ("zero_shot", "clip_adapter", "tip_adapter", "tip_adapter_f", "lp_plus_plus", "linear_probe")
"""They learn from the image features alone, so the whole suite takes a minute. The page opens with the larger half."""
BASE_TO_NEW_METHODS = ("zero_shot", "coop", "vpt", "vpt_text_adapter", "apex")
"""Text prompts, visual prompts, and APEX with and without its ensemble: what is lost on new classes, and given back."""
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
BASE_TO_NEW_DATASETS = DATASETS[::2]
"""Every second one, from the easiest to the hardest: prompts through the image tower take most of the time."""
SEEDS = (1, 2, 3)
QUICK_FEW_SHOT = ("zero_shot", "clip_adapter", "tip_adapter", "linear_probe")
QUICK_BASE_TO_NEW = ("zero_shot", "coop", "vpt")
QUICK_DATASETS = tuple(f"spectrum_{name}:test={TEST_IMAGES}" for name in ("basic", "blur", "words"))


def demo_requests(*, quick: bool, **options: Any) -> tuple[SweepRequest, SweepRequest]:
    """The few-shot runs of the demo and its base-to-new runs; other options are those of `etl-bench run`."""
    common: dict[str, Any] = {
        "shots": [SHOTS],
        "seeds": SEEDS[:1] if quick else SEEDS,
        "recipe": RecipeChoice.DEMO,
        "device": "cpu",  # towers this small are not faster on a GPU, and the numbers are the same everywhere
        **options,
    }
    few_shot = SweepRequest.build(
        methods=QUICK_FEW_SHOT if quick else FEW_SHOT_METHODS,
        datasets=QUICK_DATASETS if quick else DATASETS,
        protocol=EvalProtocol.FEW_SHOT,
        **common,
    )
    base_to_new = SweepRequest.build(
        methods=QUICK_BASE_TO_NEW if quick else BASE_TO_NEW_METHODS,
        datasets=QUICK_DATASETS if quick else BASE_TO_NEW_DATASETS,
        protocol=EvalProtocol.BASE_TO_NEW,
        **common,
    )
    return few_shot, base_to_new


@dataclass(frozen=True)
class Demo:
    """The sweeps of the demo with their results, and the page, which is None if a sweep was interrupted."""

    outcomes: list[SweepOutcome]
    results: list[Results]
    report: Report | None

    @property
    def exit_code(self) -> int:
        """That of the sweep with the most serious outcome."""
        return max(outcome.exit_code for outcome in self.outcomes)


def run_demo(
    *,
    quick: Annotated[bool, Opt("Three datasets, a few methods, one seed.")] = False,
    runs: NewRuns = "runs/demo",
    out: Annotated[Path, Opt("Folder of the report.")] = Path("site"),
    cache: Cache = None,
    jobs: Jobs = None,
    runner: Runner = "bench.experiment.runner",
    force: Force = False,
) -> Demo:
    """Run the demo and write its page. Progress and failed runs are on standard error.

    Raises UsageError, before anything runs, if the page cannot be written.
    """
    from bench.api.running import open_progress, report_failures, run_request, sweep_result

    page = report_request(runs=runs, out=out, force=force)
    log, outcomes = open_progress(), []
    for request in demo_requests(quick=quick, runs=Path(runs), cache=cache, jobs=jobs, runner=runner):
        outcomes.append(run_request(request, log))
        report_failures(outcomes[-1], log)
        if outcomes[-1].summary.interrupted:
            return Demo(outcomes, [], None)
    report = write_report(page)
    return Demo(outcomes, [sweep_result(outcome, Path(runs)) for outcome in outcomes], report)
