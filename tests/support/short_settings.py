"""Settings of methods that search or iterate long, with less work than the published ones."""

SHORT: dict[str, dict[str, object]] = {
    "ape": {"search_step": (5, 4, 2), "augment_epochs": 2},
    "tip_adapter": {"search_step": (5, 4), "augment_epochs": 2},
    "tip_adapter_f": {"search_step": (5, 4), "augment_epochs": 2},
    "rehark": {"views": 2, "trials": 20},
    "timo": {"views": 2},
    "timo_s": {"views": 2, "steps": 3},
    "linear_probe": {"steps": 2, "max_iter": 5},
    "plot_pp": {"iterations": 5, "n_text": 2, "n_image": 2},
}

SHORT_RECIPE: dict[str, object] = {"epochs": 2, "epochs_by_shots": "{}", "steps": 0, "steps_per_shot": 0, "views": 2}
"""Two epochs of training, for methods with a recipe."""


def overrides(name: str, settings: dict[str, object]) -> list[str]:
    """Settings of a method as options of `--set`."""
    return [f"{name}.{key}={list(value) if isinstance(value, tuple) else value}" for key, value in settings.items()]


def short_overrides(name: str) -> list[str]:
    """The short settings of a method, without those of its recipe."""
    return overrides(name, SHORT.get(name, {}))


def short_recipe_overrides(name: str) -> list[str]:
    """Two epochs of a method that has a recipe."""
    return overrides(name, {f"recipe.{key}": value for key, value in SHORT_RECIPE.items()})
