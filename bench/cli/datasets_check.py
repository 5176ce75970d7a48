"""`etl-bench datasets check`: finds problems of datasets on disk and names the command that fixes each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._print import print_json, print_line, remark

if TYPE_CHECKING:
    from datasets_registry import CheckResult


def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names or patterns of datasets. Default: all on disk.", show_default=False),
    ] = None,
    data_root: opt.DataRoot = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=0, help="Open only this many images per dataset, spread over its splits."),
    ] = None,
    fingerprint: Annotated[
        bool, typer.Option("--fingerprint/--no-fingerprint", help="Store digests of the files, or write nothing.")
    ] = True,
    as_json: opt.AsJson = False,
) -> None:
    """Check layout, split, counts and every image, and name the command that fixes each problem. Needs no network.

    Digests of the files are written to DATA-ROOT/.etl-bench/NAME.json, or to your cache folder if DATA-ROOT belongs to
    someone else. Exit code: 0 no problems, 1 problems found, 2 wrong usage.
    """
    from datasets_registry import DATASETS, check_dataset, get_dataset, is_dataset_present, list_datasets

    if names:
        infos = [get_dataset(found) for name in opt.split_list(names) for found in DATASETS.match(name)]
    else:
        infos = [info for info in list_datasets() if is_dataset_present(info, data_root)]
        absent = sum(not info.synthetic and info not in infos for info in list_datasets())
        if not infos:
            remark("nothing to check: give --data-root or ETL_BENCH_DATA, or a name")
        elif absent:
            remark(f"not here: {counted(absent, 'more dataset')}, which `etl-bench datasets` lists")
    checkups: list[CheckResult] = []
    for info in infos:
        checkup = check_dataset(info, data_root, sample=sample, jobs=opt.cores(), write_fingerprint=fingerprint)
        checkups.append(checkup)
        if not as_json:
            for line in _lines(checkup):
                print_line(line)
    if as_json:
        print_json([checkup.facts() for checkup in checkups])
    raise typer.Exit(1 if any(checkup.problems for checkup in checkups) else 0)


def _lines(checkup: CheckResult) -> list[str]:
    problems = len(checkup.problems)
    state = f"{problems} problem{'s' if problems > 1 else ''}" if problems else "fine"
    lines = [f"{checkup.name}: {state}"]
    if checkup.counts:
        counts = ", ".join(f"{n} {part}" for part, n in checkup.counts.items())
        layout = f"; layout: {checkup.layout}" if checkup.layout else ""
        lines.append(f"  {counts}; {counted(checkup.checked, 'image')} opened{layout}")
    for finding in checkup.findings:
        lines.append(f"  {finding.level}: {finding.code}: {' '.join(finding.text.split())}")
        if finding.fix:
            lines.append(f"    fix: {finding.fix}")
    if checkup.file is not None:
        lines.append(f"  fingerprint {checkup.fingerprint['contents']} in {checkup.file}")
    return lines
