"""The commands of code and predictions of others: `methods inspect|try|trust`, `runs import-predictions|drop-in`."""

from pathlib import Path
from typing import Annotated

import typer

from bench._util.words import counted
from bench.cli import (
    DEFAULT_RUNS,
    DEMO_BACKBONE,
    AsJson,
    DataRoot,
    Device,
    Force,
    WrittenRuns,
    print_facts,
    print_json,
    print_line,
    print_rows,
    remark,
)


def inspect(
    path: Annotated[Path, typer.Argument(help="A clone of the authors' repository.")],
    python: Annotated[
        Path | None, typer.Option("--python", help="Python of the code's own environment. Default: that of etl-bench.")
    ] = None,
    imports: Annotated[
        list[Path], typer.Option("--path", help="A folder from which it imports, such as a clone of Dassl. Repeatable.")
    ] = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Show what official code has and lacks: trainers, published commands, datasets, packages, files.

    Nothing of it runs before you trust it: its files are read. Afterwards, the shell expands its scripts, and stand-ins
    take the place of Python and other programs, so that nothing is trained.

    Example: etl-bench methods inspect KgCoOp --path Dassl.pytorch
    """
    from bench.extensions.forks.trying import inspect_official_code

    found = inspect_official_code(path, python=python, imports=imports)
    if as_json:
        print_json(found.as_json())
        return
    print_facts(found.facts, as_json=False)
    print_rows(found.commands)
    for finding in found.findings:
        print_line(f"{finding['problem']} {finding['remedy']}".strip())
    print_line(found.next)


def try_code(
    method: Annotated[str, typer.Argument(help="fork:PATH#Trainer, or adapter:FILE.")],
    settings: Annotated[
        list[str], typer.Option("--set", help="As in `run`, such as fork.script=FILE. Repeatable.")
    ] = [],  # noqa: B006
    backbone: Annotated[
        str, typer.Option("-b", "--backbone", help="As in `run`. Code with the sizes of ViT-B/16 in it needs that one.")
    ] = DEMO_BACKBONE,
    device: Device = "auto",
) -> None:
    """Train official code for one epoch on 24 synthetic images, twice, and compare its predictions.

    Example: etl-bench methods try fork:KgCoOp --set fork.script=KgCoOp/scripts/run.sh -b ViT-B-16.openai
    """
    from bench.extensions.forks.trying import try_official_code

    found = try_official_code(method, settings=settings, backbone=backbone, device=device)
    print_line(f"It runs: scores of all {found.images} test images after {found.seconds:.0f} seconds.")
    same = "agree" if not found.differing else f"differ on {found.differing} of {found.images} images"
    print_line(f"Two repetitions with one seed {same}.")
    for note in found.notes:
        print_line(note)


def trust(
    code: Annotated[str, typer.Argument(help="A clone of the authors' repository, or adapter:FILE.")],
    settings: Annotated[
        list[str],
        typer.Option("--set", help="fork.python, fork.path or fork.steps, as you will give them to `run`. Repeatable."),
    ] = [],  # noqa: B006
) -> None:
    """Allow code of others to run with your rights, as it is now. After a change of a file, it is asked again.

    You agree to all that runs: the clone, the adapter, the Python, the folders for imports and the file of steps.

    Example: etl-bench methods trust KgCoOp --set fork.path=Dassl.pytorch
    """
    from bench.extensions.forks.trying import trust_official_code

    print_line(trust_official_code(code, settings=settings))


def import_command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of predictions, .npz or .jsonl.")],
    runs: WrittenRuns = DEFAULT_RUNS,
    dataset: Annotated[
        str | None, typer.Option("-d", "--dataset", help="Its name here. Default: found from the name in the file.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option("-b", "--backbone", help="As in `run`. Default: OpenAI's weights of the file's model.")
    ] = None,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Check predictions that were computed elsewhere against the dataset, and add them as runs.

    Nothing in a file is believed: class names, test images, labels, training images and scores are checked. With any
    error, nothing is added. Give the files of base and of new classes of a run together. The runs are called
    external:METHOD and marked as imported predictions.

    Example: etl-bench runs import-predictions base.npz new.npz
    """
    from bench.api import score_rows
    from bench.extensions.forks.predictions_import import import_predictions

    done = import_predictions(files, runs, dataset=dataset, backbone=backbone, data_root=data_root)
    for note in done.notes:
        remark(note)
    for run_id in done.kept:
        remark(f"run {run_id} exists here with other predictions; those were kept")
    print_rows(score_rows(done.added), as_json=as_json)
    if not as_json:
        print_line(f"{counted(len(done.added), 'run')} added, {len(done.unchanged)} already known; in {runs}")


def drop_in(
    out: Annotated[Path, typer.Argument(help="File to write, beside train.py.")] = Path("etl_predictions.py"),
    force: Force = False,
) -> None:
    """Write a file that authors of Dassl code import in train.py, which then writes its predictions."""
    from bench.extensions.forks.drop_in import write_drop_in

    print_line(f"{write_drop_in(out, force=force)}: add `import etl_predictions` to train.py, then train with")
    print_line("ETL_PREDICTIONS=predictions.npz python train.py ...")


COMMANDS = {
    "methods inspect": inspect,
    "methods try": try_code,
    "methods trust": trust,
    "runs import-predictions": import_command,
    "runs drop-in": drop_in,
}
