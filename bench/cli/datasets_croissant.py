"""`etl-bench datasets croissant`: writes a dataset to a folder in MLCommons' Croissant format."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._print import print_line, remark
from bench.errors import UsageError
from bench.results import check_output_folder
from bench.spec import ALL_SHOTS


def croissant(
    name: Annotated[str, typer.Argument(help="A synthetic dataset, or one of your own.")],
    out: Annotated[Path, typer.Option("--out", help="New or empty folder to write.")],
    creator: Annotated[str | None, typer.Option("--creator", help="Person or organization that made it.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="Web page. Default: the dataset's homepage.")] = None,
    version: Annotated[str, typer.Option("--version", help="Version, as three numbers.")] = "1.0.0",
    date: Annotated[str | None, typer.Option("--date", help="Day of publication, YYYY-MM-DD. Default: today.")] = None,
    shots: Annotated[
        str | None, typer.Option("--shots", help="Write few-shot draws with these images per class, such as 1,4,16.")
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds of the draws; a number N means seeds 1 to N.")] = "3",
    rule: opt.Draw = "coop",
    allow_fewer: opt.AllowFewer = False,
) -> None:
    """Write a dataset as a folder for `mlcroissant`: images, labels, splits, draws and metadata.

    The folder contains an archive of the images, `images.csv`, `support.csv` (with --shots), and `croissant.json`,
    which describes them in the format Croissant 1.1. Licence and citation are those of the dataset's entry.

    Example: etl-bench datasets croissant spectrum_basic --out spectrum_basic --shots 1,4,16 --creator 'Our lab'
    """
    from bench.boards import Publication, write_croissant
    from datasets_registry import DrawRule, EvalProtocol, TaskRequest, build_task, get_dataset, recorded_draw

    info = get_dataset(name)
    if not (info.synthetic or info.own_images):
        raise UsageError(
            f"The images of dataset {name!r} are not copied. Croissant is written for synthetic datasets and for those "
            f"of `etl-bench datasets add`; `etl-bench datasets draw {name}` lists a draw."
        )
    check_output_folder(out, "--out")
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"--out {out} is not empty; name a new folder.")
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise UsageError(f"--version {version!r} is not three numbers such as 1.0.0.")
    day = _day(date)
    how = recorded_draw(info, opt.parse_choice(DrawRule, rule, "--draw"))
    numbers = opt.parse_shots(shots) if shots is not None else []
    if any(number < 1 or number == ALL_SHOTS for number in numbers):
        raise UsageError(f"--shots {shots!r} must be numbers of at least 1, such as 1,4,16.")
    of_seeds = opt.parse_numbers(seeds, "--seeds", lone_is_count=True)
    splits = info.reader(None)
    draws = [
        build_task(
            TaskRequest(
                info,
                splits,
                protocol=EvalProtocol.FEW_SHOT,
                shots=number,
                seed=seed,
                draw=how,
                allow_fewer=allow_fewer,
            )
        )
        for number in numbers
        for seed in of_seeds
    ]
    about = Publication(
        creator or ("clip-etl-bench" if info.synthetic else None), url or info.homepage or None, version, day
    )
    for path in write_croissant(out, info, splits, about, draws):
        print_line(str(path))
    missing = [
        what
        for what, given in {
            "a creator (--creator)": about.creator,
            "a web page (--url)": about.url,
            "a licence (`licence` in its TOML file)": info.licence_is_known,
        }.items()
        if not given
    ]
    if missing:
        remark(f"Croissant also requires {', '.join(missing)}. Add what is missing and write the folder again.")
    remark(f"{counted(len(splits.keys), 'image')} of {counted(len(splits.class_names), 'class')}")


def _day(text: str | None) -> str:
    """The day of publication; raises UsageError if the text is not a day."""
    if text is None:
        return datetime.now(UTC).date().isoformat()
    try:
        return datetime.strptime(text, "%Y-%m-%d").date().isoformat()
    except ValueError:
        raise UsageError(f"--date {text!r} is not a day such as 2026-01-31.") from None
