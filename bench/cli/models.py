"""`etl-bench models`: lists the tuned models of a runs folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bench.cli import _options as opt
from bench.cli._groups import SHOW, ShowsByDefault
from bench.cli._print import print_rows, remark
from bench.cli.models_export import export_command

if TYPE_CHECKING:
    from bench.experiment import ListedModel

_COLUMNS = ("model", "method", "dataset", "backbone", "classes", "shots", "seed", "accuracy", "size", "path")

models_app = typer.Typer(
    cls=ShowsByDefault, help="List the tuned models that `run --keep-models` stored, or export one."
)
models_app.command("export")(export_command)


@models_app.command(SHOW)
def models(runs: opt.Runs = opt.DEFAULT_RUNS, as_json: opt.AsJson = False) -> None:
    """List the tuned models that `run --keep-models` stored.

    Accuracy is that of the run on test images; --json has all splits. `etl-bench predict MODEL IMAGES` uses a model.
    MODEL is its path, the beginning of its name, or its dataset if that dataset has one model.

    Example: etl-bench models --runs runs
    """
    from bench.experiment import MODELS, list_models

    found = list_models(runs / MODELS)
    print_rows([_row(model) for model in found if model.info is not None], _COLUMNS, as_json=as_json)
    for model in found:
        if model.info is None:
            remark(f"left out: {model.problem}")
    if not found:
        remark(f"{runs / MODELS} has no models; `etl-bench run ... --keep-models best` stores them.")


def _row(model: ListedModel) -> dict[str, object]:
    info = model.info
    assert info is not None, "only readable models have a row"
    scores = {score.split: round(score.accuracy, 4) for score in info.scores}
    return {
        "model": info.run_id,
        "method": info.spec.method,
        "dataset": info.spec.dataset,
        "backbone": info.spec.backbone,
        "classes": len(info.classes.names),
        "shots": info.spec.shots,
        "seed": info.spec.seed,
        "accuracy": next(iter(scores.values()), None),
        "size": f"{model.size / 1e6:.2f} MB",
        "path": str(model.path),
        "bytes": model.size,
        "scores": scores,
        "validation_accuracy": info.validation_accuracy,
        "open_vocabulary": info.open_vocabulary,
        "temperature": info.calibration.temperature,
        "calibrated": info.calibration.source == "validation",
    }
