"""`etl-bench datasets draw`: writes a few-shot draw to a file that can be published and run."""

from pathlib import Path
from typing import Annotated

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._print import print_line
from bench.errors import UsageError
from bench.results import check_output_file
from bench.spec import ALL_SHOTS


def draw(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    shots: Annotated[str, typer.Option("--shots", help="Images per class, or all.")] = "16",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the draw.")] = 1,
    rule: opt.Draw = "coop",
    support: Annotated[
        str | None, typer.Option("--support", help="Change the draw: imbalanced:FACTOR or noisy:RATE.")
    ] = None,
    allow_fewer: opt.AllowFewer = False,
    out: Annotated[Path | None, typer.Option("--out", help="File to write; default: standard output.")] = None,
    data_root: opt.DataRoot = None,
) -> None:
    """Write the images of a draw as JSON: keys, labels, content digests, class names and their source.

    With noisy:RATE, `true_labels` lists the true label of each image whose label was changed.

    `etl-bench run --support FILE` trains on these images, on any machine that has them.

    Example: etl-bench datasets draw eurosat --shots 16 --seed 1 --out eurosat-16-1.json
    """
    import json

    from datasets_registry import (
        DrawRule,
        EvalProtocol,
        SupportRule,
        TaskRequest,
        build_task,
        get_dataset,
        is_support_rule,
        recorded_draw,
        support_manifest,
    )

    if out is not None:
        check_output_file(out, "--out")
    info = get_dataset(name)
    how = recorded_draw(info, opt.parse_choice(DrawRule, rule, "--draw"))
    splits = info.reader(data_root)
    numbers = opt.parse_shots(shots)
    if len(numbers) != 1 or numbers[0] < 1:
        raise UsageError(f"--shots {shots!r} is not one number of at least 1, and not all.")
    every = numbers == [ALL_SHOTS]
    if support is not None and (every or not is_support_rule(support)):
        raise UsageError(f"--support {support!r} is not imbalanced:FACTOR or noisy:RATE with a number of shots.")
    rule_text = "all" if every else support
    task = build_task(
        TaskRequest(
            info,
            splits,
            protocol=EvalProtocol.FEW_SHOT,
            shots=numbers[0],
            seed=seed,
            draw=how,
            allow_fewer=allow_fewer,
            rule=None if rule_text is None else SupportRule.parse(rule_text),
        )
    )
    text = json.dumps(support_manifest(task), indent=1, ensure_ascii=False)
    if out is None:
        print_line(text)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text + "\n", encoding="utf-8")
    print_line(f"{counted(len(task.support), 'image')} of {counted(len(task.support.classes), 'class')} in {out}")
