"""`etl-bench run`: every combination of the axes that is not answered yet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import _cluster_options as cluster
from bench.cli import _options as opt
from bench.cli._launchers import choose


def run(
    methods: opt.Methods,
    datasets: opt.Datasets,
    backbones: opt.Backbones = [opt.DEMO_BACKBONE],  # noqa: B006  typer copies it
    protocol: opt.Protocol = "base-to-new",
    targets: opt.Targets = [],  # noqa: B006
    shots: opt.Shots = "16",
    seeds: opt.Seeds = "1,2,3",
    draw: opt.Draw = "coop",
    support: opt.Supports = [],  # noqa: B006
    class_text: opt.ClassText = "template",
    selection: opt.Selection = None,
    overrides: opt.Overrides = [],  # noqa: B006
    recipe: opt.RecipeName = "published",
    data_root: opt.DataRoot = None,
    runs: opt.Runs = opt.DEFAULT_RUNS,
    cache: opt.Cache = None,
    jobs: opt.Jobs = None,
    device: opt.Device = "cpu",
    precision: opt.PrecisionName = "fp32",
    rerun: opt.Rerun = "failed",
    retries: opt.Retries = 0,
    timeout: opt.Timeout = None,
    memory: opt.Memory = None,
    log: opt.Log = "auto",
    keep_branches: Annotated[
        bool,
        typer.Option(
            "--keep-branches",
            help="Store both sides of an ensemble (apex, apex_on) with its predictions, so that other weights can be "
            "tried without training; 8 bytes per feature value and test image.",
        ),
    ] = False,
    curve: Annotated[
        bool,
        typer.Option(
            "--curve",
            help="Record the accuracy after 1, 2, 4, ... epochs of each training, for the page's curves over training "
            "time. Scores stay the same; it costs one more evaluation for each of these epochs.",
        ),
    ] = False,
    launcher: cluster.Name = "local",
    address: cluster.Address = None,
    cpus_per_run: cluster.CpusPerRun = None,
    gpus_per_run: cluster.GpusPerRun = None,
    ray_env: cluster.RayEnv = None,
    partition: cluster.Partition = None,
    time: cluster.Time = None,
    gpus: cluster.Gpus = None,
    cpus: cluster.Cpus = None,
    mem: cluster.Memory = None,
    slurm_set: cluster.SlurmSet = [],  # noqa: B006
    runs_per_job: cluster.RunsPerJob = None,
    no_wait: cluster.NoWait = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and write nothing.")] = False,
    as_json: opt.AsJson = False,
    runner: opt.RunnerName = "bench.experiment.runner",
) -> None:
    """Run methods on datasets, over shots and seeds; what is answered already is not computed again.

    Repeating a command does only what is missing, or what failed. Several sweeps at once in one folder share the work,
    also from several machines. Zero-shot runs depend on neither shots nor seed and are done once a dataset. Ctrl-C
    once finishes current runs, twice stops now. Exit code: 0 all done, 1 some run failed, 2 wrong usage, 130
    interrupted.

    Example: etl-bench run -m coop,apex -d 'spectrum_*' --shots 1,2,4,8,16 --seeds 3

    Example: etl-bench run -m coop,apex -d imagenet --protocol cross-dataset --targets eurosat,dtd,oxford_pets

    Example: etl-bench run -m coop,apex -d all --launcher slurm --partition gpu --gpus 1 --device cuda --time 8:00:00
    """
    chosen = choose(
        launcher,
        {
            "--address": address,
            "--cpus-per-run": cpus_per_run,
            "--gpus-per-run": gpus_per_run,
            "--ray-env": ray_env,
        },
        {
            "--partition": partition,
            "--time": time,
            "--gpus": gpus,
            "--cpus": cpus,
            "--mem": mem,
            "--slurm-set": slurm_set,
            "--runs-per-job": runs_per_job,
            "--no-wait": no_wait,
        },
        jobs=jobs,
        device=device,
    )
    from bench.cli._print import print_json, print_line, print_rows
    from bench.launch.protocol import Limits, Outcome
    from bench.sweep import Axes, RecipeChoice, RerunPolicy
    from bench.sweep import driver as _sweep
    from bench.sweep.progress import LogStyle, open_log
    from datasets_registry import DrawRule, EvalProtocol
    from methods import Precision

    # a list is no rule: what zero-shot runs record is the default's name
    listed = [Path(draw.removeprefix("file:"))] if draw.startswith("file:") else []
    rule = "coop" if listed else draw
    axes = Axes(
        methods=opt.split_list(methods),
        datasets=opt.split_list(datasets),
        backbones=opt.split_list(backbones),
        protocol=opt.parse_choice(EvalProtocol, protocol, "--protocol"),
        shots=opt.parse_numbers(shots, "--shots"),
        seeds=opt.parse_numbers(seeds, "--seeds", lone_is_count=True),
        draw=opt.parse_choice(DrawRule, rule, "--draw"),
        recipe=opt.parse_choice(RecipeChoice, recipe, "--recipe"),
        overrides=overrides,
        targets=opt.split_list(targets),
        supports=[*support, *listed],
        class_text=class_text,
        selection=selection,
        precision=opt.parse_choice(Precision, precision, "--precision"),
    )
    place = _sweep.Place(
        runs,
        data_root,
        chosen.cache_folder(cache, opt.cache_folder(cache)),
        device,
        jobs,
        runner,
        keep_branches,
        curve,
        limits=Limits(timeout, None if memory is None else int(memory * 2**30)),
        retries=retries,
        launcher=chosen,
    )
    say = open_log(opt.parse_choice(LogStyle, log, "--log"))
    made = _sweep.make_plan(axes, place, opt.parse_choice(RerunPolicy, rerun, "--rerun"), say)
    if dry_run:
        rows = [{"run_id": spec.run_id, "run": spec.label(), "backbone": spec.backbone} for spec in made.pending]
        _sweep.say_plan(made, place, say)
        print_rows(rows, ["run_id", "run", "backbone"], as_json=as_json)
        if not as_json:
            for script in _sweep.scripts(made, place):
                print_line(f"\n{script}")
        return

    _sweep.say_plan(made, place, say)
    summary = _sweep.carry_out(made, place, axes, say)
    failed = _sweep.failures(made, summary, runs)
    if as_json:
        print_json(
            {
                "planned": len(made.specs),
                "done_before": len(made.done),
                "finished": len(summary.finished),
                "by_other_sweeps": sum(not item.here for item in summary.finished),
                "failed": failed,
                "stale": made.stale_reasons,
                "refused": [{"what": item.what, "reason": item.reason} for item in made.refused],
                "interrupted": summary.interrupted,
            }
        )
    elif summary.finished:
        others = sum(not item.here for item in summary.finished)
        by_others = f" ({others} by other sweeps)" if others else ""
        ok = sum(item.outcome is Outcome.OK for item in summary.finished)
        print_line(f"{ok} finished{by_others}, {len(summary.failures)} failed; in {runs}")
    _sweep.say_failures(failed, summary, say)
    raise typer.Exit(_sweep.exit_code(failed, summary))
