"""`etl-bench claims`: statements about methods, tested on the runs."""

from pathlib import Path
from typing import Annotated

import typer

from bench._util.counted import counted
from bench.cli import _options as opt
from bench.cli._print import percent_interval, print_json, print_rows
from bench.errors import UsageError


def claims(
    runs: opt.Runs = opt.DEFAULT_RUNS,
    file: Annotated[Path | None, typer.Option("--file", help="Claims as TOML. Default: the shipped claims.")] = None,
    easy: opt.Easy = [],  # noqa: B006
    hard: opt.Hard = [],  # noqa: B006
    as_json: opt.AsJson = False,
) -> None:
    """Test each claim on the runs: supported, refuted, inconclusive or not tested, with effect, n and 95 % interval.

    The shipped claims are the observations and the headline of the APEX paper. Effects are differences over these
    datasets, tested with the noise of seeds and test images. p is against the claim's threshold and not adjusted for
    how many are tested.
    """
    from bench.analysis.claims import check_claims, difficulty_by_backbone, load_claims
    from bench.analysis.difficulty_groups import chosen_groups
    from bench.analysis.leaderboard import leaderboards
    from bench.results.nearby_runs import no_runs
    from bench.store import fresh_store

    groups = chosen_groups(opt.split_list(easy), opt.split_list(hard))
    asked = load_claims(file)
    store = fresh_store(runs)
    frame, difficulty = store.runs_frame(outcomes=True), difficulty_by_backbone(store.difficulty_frame())
    if frame.empty:
        raise UsageError(no_runs(runs))
    results = check_claims(asked, leaderboards(frame), frame, difficulty, groups)
    if as_json:
        print_json(results)
        return
    rows = []
    for found in results:
        test, setting = found.test, found.setting
        rows.append(
            {
                "claim": f"{found.claim.id}: {found.claim.sentence}",
                "setting": f"{setting.backbone}, {counted(setting.shots, 'shot')}" if setting else "",
                "verdict": str(found.verdict),
                "effect": f"{100 * test.mean:+.2f}" if test else "",
                "95 %": percent_interval(test.low, test.high) if test else "",
                "n": f"{test.n} over {counted(test.groups, 'dataset')}" if test else "",
                "p": f"{found.p:.2g}" if found.p is not None else "",
                "missing": found.reason,
            }
        )
    print_rows(rows, None if rows else ["claim"])
