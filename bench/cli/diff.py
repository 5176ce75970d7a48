"""`etl-bench diff`: shows the differences between two runs, causes first."""

from typing import Annotated

import typer

from bench.cli import _options as opt
from bench.cli._print import print_json, print_line, print_rows, remark


def diff(
    a: Annotated[str, typer.Argument(help="Run id, or a unique prefix.")],
    b: Annotated[str, typer.Argument(help="The other run.")],
    runs: opt.Runs = opt.DEFAULT_RUNS,
    as_json: opt.AsJson = False,
) -> None:
    """Show how two runs differ (config, recipe, task, text, data, code, environment), and the changed predictions."""
    from bench.results import Shards, diff_runs

    shards = Shards(runs)
    found = diff_runs(opt.read_run(shards, a), opt.read_run(shards, b))
    differences = [{"what": str(item.cause), "name": item.name, "A": item.a, "B": item.b} for item in found.differences]
    flips = [
        {
            "split": flip.split,
            "image": flip.image,
            "label": flip.label,
            "A": flip.predicted_a,
            "B": flip.predicted_b,
            "right": flip.right,
        }
        for flip in found.flips
    ]
    if as_json:
        print_json(
            {
                "run_a": found.run_a,
                "run_b": found.run_b,
                "differences": differences,
                "scores": {split: {"A": pair[0], "B": pair[1]} for split, pair in found.scores.items()},
                "compared_images": found.compared,
                "flips": flips,
                "notes": found.notes,
            }
        )
        return
    print_line(f"A = {found.run_a}, B = {found.run_b}")
    if differences:
        print_rows(differences)
    else:
        print_line("The two runs have the same spec, code and environment.")
    if found.scores:
        print_rows([{"split": split, "accuracy A": a, "accuracy B": b} for split, (a, b) in found.scores.items()])
    print_line(f"{len(flips)} of {sum(found.compared.values())} images are predicted differently.")
    if flips:
        print_rows(flips)
    for note in found.notes:
        remark(note)
