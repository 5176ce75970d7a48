"""Finds a model file by its path, its run id or its dataset. Loads no torch."""

from collections.abc import Sequence
from pathlib import Path

from bench.errors import UsageError
from bench.experiment import MODELS, SUFFIX, ListedModel, changed_images, list_models


def find_model(name: str | Path, runs: Path = Path("runs")) -> Path:
    """The model file of a path, of the beginning of a run id, or of a dataset with one model below `runs`.

    `models/birds` also means the model of dataset `birds`. Models of former own images count only if there is no
    other, and then those of the newest images.

    Raises UsageError if there is no such model, or more than one.
    """
    as_path = Path(name)
    for path in (as_path, as_path.with_name(as_path.name + SUFFIX)):
        if path.is_file():
            return path
    if as_path.parent == Path(MODELS):
        name = as_path.name
    models = list_models(runs / MODELS)
    by_id = [m.path for m in models if m.path.stem.startswith(str(name))]
    paths = by_id or _newest_images([m for m in models if m.info is not None and m.info.spec.dataset == str(name)])
    if len(paths) == 1:
        return paths[0]
    if paths:
        specs = {model.path: model.info.spec for model in models if model.info is not None}
        ids = ", ".join(
            f"{path.stem} ({specs[path].method}, {specs[path].shots} shots)" if path in specs else path.stem
            for path in paths
        )
        raise UsageError(
            f"{name} is the name of {len(paths)} models in {runs / MODELS}: {ids}; give one of these ids. `etl-bench "
            "models` shows their accuracy."
        )
    raise UsageError(
        f"There is no model {name}: no such file, and none of the {len(models)} in {runs / MODELS} has this name. "
        "`etl-bench models` lists them; `recommend` and `run --keep-models best` make one."
    )


def _newest_images(models: Sequence[ListedModel]) -> list[Path]:
    """The models of today's images, or of the images of the newest model if these have changed since."""
    readable = [(model.path, model.info) for model in models if model.info is not None]
    if len(readable) < 2:
        return [path for path, _ in readable]
    changes = changed_images([info for _, info in readable])
    of_today = [info for (_, info), change in zip(readable, changes, strict=True) if info.image_list and not change]
    newest = max(of_today or [info for _, info in readable], key=lambda info: info.created_at)
    return [path for path, info in readable if info.image_list == newest.image_list]
