"""The tuned models that a sweep keeps, finished runs without a model, and the choice among seeds."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from bench._util.words import counted
from bench.errors import ImpossibleCombinationError
from bench.experiment import (
    MODELS,
    ModelInfo,
    list_models,
    model_group,
    model_path,
)
from bench.spec import ExperimentSpec
from datasets_registry import get_dataset, has_imported_features, own_images

KeepModels = Literal["best", "all"]


def check_keepable(specs: Iterable[ExperimentSpec]) -> None:
    """Raise ImpossibleCombinationError for runs without a model that could be kept.

    Runs that select on test labels have no single model. A model on imported features has no image tower, so it could
    not classify images.
    """
    specs = list(specs)
    if imported := sorted({spec.backbone for spec in specs if has_imported_features(spec.backbone)}):
        raise ImpossibleCombinationError(
            f"--keep-models: {', '.join(imported)} has imported features and no image tower, so a kept model could not "
            "classify images. Leave out --keep-models."
        )
    oracles = dict.fromkeys(
        spec.method for spec in specs if spec.epoch_selection == "oracle" or "oracle" in spec.config.values()
    )
    if oracles:
        raise ImpossibleCombinationError(
            f"--keep-models: {', '.join(oracles)} chooses with test labels here, a classifier for each test set, so "
            "there is no single model to keep. Leave out --keep-models, or the oracle."
        )


def lacking_models(specs: Iterable[ExperimentSpec], runs: Path, keep: KeepModels | None) -> frozenset[str]:
    """Ids of the runs whose model is to be kept and does not exist; of `best`, of groups without any model."""
    if keep is None:
        return frozenset()
    specs = list(specs)
    if keep == "all":
        return frozenset(spec.run_id for spec in specs if not model_path(runs, spec.run_id).exists())
    infos = [model.info for model in list_models(runs / MODELS) if model.info is not None]
    groups = {model_group(info.spec, info.image_list) for info in infos}
    lists = {name: own_images.image_list(get_dataset(name)) for name in {spec.dataset for spec in specs}}
    return frozenset(spec.run_id for spec in specs if model_group(spec, lists[spec.dataset]) not in groups)


def drop_all_but_best(runs: Path) -> None:
    """Of the models that `best` stored, leave one of each group of runs that differ in their seed only.

    It is the one with the highest accuracy on its own few validation images, then the lower negative log-likelihood on
    them, then the lower seed. Without validation images it is the lowest seed. Test images choose nothing. Models of
    former own images are groups of their own, because they cannot be made again.
    """
    groups: dict[str, list[ModelInfo]] = {}
    for model in list_models(runs / MODELS):
        if model.info is not None and model.info.kept == "best":
            groups.setdefault(model_group(model.info.spec, model.info.image_list), []).append(model.info)
    for group in groups.values():
        for info in sorted(group, key=_rank)[1:]:
            path = model_path(runs, info.run_id)
            path.with_suffix(".md").unlink(missing_ok=True)
            path.unlink(missing_ok=True)


def kept_summary(specs: Iterable[ExperimentSpec], runs: Path) -> str:
    """The number of stored models of these runs, and their folder."""
    n_models = sum(model_path(runs, spec.run_id).exists() for spec in specs)
    return f"{counted(n_models, 'tuned model')} of these runs in {runs / MODELS}; `etl-bench models` lists them"


def _rank(info: ModelInfo) -> tuple[float, float, int]:
    accuracy, nll = info.validation_accuracy, info.validation_nll
    return (-(accuracy or 0.0), nll if nll is not None else float("inf"), info.spec.seed)
