"""Facts of the methods for plans, pages and tables, without importing them, and runs with other settings."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bench
import methods
from bench.errors import UsageError
from bench.results.code_digests import source_digest
from bench.results.files import slug
from bench.results.text_cache import TextCache
from bench.spec import PUBLISHED_RECIPES, external_parts
from datasets_registry import (
    METHOD_FILES_VARIABLE,
    METHODS_GROUP,
    BenchError,
    DatasetInfo,
    EvalProtocol,
    RegistrationError,
    canonical_json,
    catalogue_modules,
    file_digests,
    get_dataset,
    load_method_files,
    method_files,
    module_of_file,
    plug_in_place,
    spelling,
    user_cache_folder,
)
from methods import (
    MethodFacts,
    MethodFactsRegistry,
    facts_as_json,
    facts_from_json,
    facts_of,
    is_own,
    stored_facts,
)

if TYPE_CHECKING:
    import pandas as pd

    from methods import Method, Recipe


class _KnownMethods(MethodFactsRegistry):
    """The facts of all methods, also of those whose code is not ours (`external:NAME`)."""

    def get(self, name: str) -> MethodFacts:
        if (parts := external_parts(name)) is None:
            return super().get(name)
        title, source = parts  # paper and family are those of our method of the same title
        same = next((facts for facts in self.entries.values() if has_title(title, facts.name, facts.title)), None)
        return MethodFacts(
            name=name,
            title=f"{title} ({source})",
            family=same.family if same else "other",
            summary=f"{source.capitalize()}, not an implementation of this project.",
            citation=same.citation if same else "",
            open_vocabulary=True,
            paper=same.paper if same else "",
            code=same.code if same else "",
            needs=frozenset(),
        )


def has_title(wanted: str, name: str, title: str) -> bool:
    """Whether a method has that name or title, whatever its capitals and punctuation."""
    return spelling(wanted) in (spelling(name), spelling(title))


@cache
def known_methods() -> _KnownMethods:
    """The facts of all methods by name.

    Those that ship with this package come from its file. Another method is imported once, and again after a change of
    its package's or of this package's files; its facts are cached in the user's cache folder.
    """
    return _KnownMethods(_add_others, _facts_with_code)


def add_method_file(file: Path) -> str:
    """Register the method of a user's file, also for the workers that this process starts; returns its name.

    Raises UsageError if there is no such file, or RegistrationError if it cannot be imported, does not register one
    method, or its method has the name of another one.
    """
    path = file.expanduser().absolute()
    if not path.is_file():
        raise UsageError(f"There is no file {file} of a method; `etl-bench methods new NAME` writes one.")
    if path not in (files := method_files()):
        if path.stem in (other.stem for other in files):
            raise UsageError(f"Two files of methods are called {path.name}; rename {file}.")
        os.environ[METHOD_FILES_VARIABLE] = os.pathsep.join(map(str, [*files, path]))
        known_methods.cache_clear()
    (facts,) = _facts_of_package(path.stem, module_of_file(path), path)
    return str(facts["name"])


def _facts_with_code(method: type[Method[Any]]) -> MethodFacts:
    """The facts of a method, with the digest of its source if it does not ship with this package."""
    return replace(facts_of(method), source_digest="" if is_own(method) else source_digest(method))


def _add_others(registry: MethodFactsRegistry) -> None:
    for name, package, folder in _others():
        try:
            facts = _facts_of_package(name, package, folder)
        except RegistrationError as error:
            registry.unavailable[name] = str(error)  # the import has logged it
            continue
        for values in facts:
            if values["name"] not in registry:
                registry.add(values["name"], facts_from_json(values))


def _facts_of_package(name: str, package: str, folder: Path | None) -> list[dict[str, Any]]:
    """The facts of the methods that a package registers, from the user's cache folder if its files are unchanged.

    Raises RegistrationError if it cannot be imported.
    """
    our_digests = file_digests(Path(methods.__path__[0]))  # a method may derive from one of ours
    key = "\n".join((bench.__version__, *our_digests, *file_digests(folder)))
    text = TextCache(user_cache_folder()).text(f"method-{slug(name)}", key, partial(_imported, name, package))
    return json.loads(text)  # type: ignore[no-any-return]


def _others() -> Iterator[tuple[str, str, Path | None]]:
    """Name, module or package, and file or folder of methods that are not in the file of this package."""
    for module in catalogue_modules(methods.__name__, methods.__path__):
        if (name := module.rpartition(".")[2]) not in stored_facts()["methods"]:
            yield name, module, Path(methods.__path__[0]) / f"{name}.py"
    for point in sorted(entry_points(group=METHODS_GROUP), key=lambda point: (point.name, point.value)):
        yield point.name, point.module.partition(".")[0], plug_in_place(point)
    for path in method_files():
        yield path.stem, module_of_file(path), path


def _imported(name: str, package: str) -> str:
    """The facts of the methods that a package registers, as JSON; raises RegistrationError if it cannot be imported."""
    from methods import METHODS

    catalogue = METHODS.entries  # first, so that a user's file cannot take the name of one of ours
    load_method_files(METHODS)
    classes = [cls for cls in catalogue.values() if f"{cls.__module__}.".startswith(f"{package}.")]
    if name in METHODS.unavailable:
        raise RegistrationError(METHODS.unavailable[name])
    return json.dumps([facts_as_json(_facts_with_code(cls)) for cls in classes])


@cache
def check_stored_facts(method: str) -> None:
    """Raise RegistrationError if the stored facts, by which a run was planned, are not those of the method's code.

    This happens only in a checkout, after a change of a method. Imports the method.
    """
    from methods import METHODS

    cls = METHODS.get(method)
    if is_own(cls) and known_methods().get(method) != facts_of(cls):
        raise RegistrationError(
            f"The stored facts of {method} are not those of its code; write them with `python -m tools.generate_docs` "
            "and repeat the command."
        )


def published_values(method: str, protocol: str) -> Mapping[str, Any] | None:
    """The published settings of a method for a protocol, by name; None for a method that is not installed."""
    try:
        return known_methods().get(method).settled(EvalProtocol(protocol)).values
    except BenchError:
        return None


def changed_settings(config: Mapping[str, Any], published: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the settings with another value than the published one; settings that no longer exist do not count."""
    return tuple(sorted(key for key, value in config.items() if published.get(key, value) != value))


def settled_recipe(recipe: Recipe | None, shots: int, dataset: DatasetInfo) -> dict[str, Any] | None:
    """The recipe as a spec records it: epochs for these shots, and no views for imported features."""
    if recipe is None:
        return None
    settled = recipe.for_shots(shots)
    return (settled if dataset.backbone is None else settled.on_stored_features()).model_dump(mode="json")


def changed_recipe(method: str, protocol: str, shots: int, dataset: str, recipe: Mapping[str, Any] | None) -> list[str]:
    """Names of the settings of a recipe that are not those of the published recipe on a dataset, compared by value.

    A setting that only one of them has counts. `recipe` alone is the name if only one of them exists. The name and the
    source of a recipe do not count. Empty for a method that is not installed or a dataset that is not known.
    """
    try:
        facts, info = known_methods().get(method), get_dataset(dataset)
    except BenchError:
        return []
    published = settled_recipe(facts.recipe_for(EvalProtocol(protocol)), shots, info)
    if published is None or recipe is None:
        return [] if published == recipe else ["recipe"]
    expected, used = (recipe_for_dataset(dataset, values) for values in (published, recipe))
    if canonical_json(expected) == canonical_json(used):  # as most are
        return []
    keys = sorted((expected.keys() | used.keys()) - {"name", "source"})
    return [f"recipe.{key}" for key in keys if _value(expected, key) != _value(used, key)]


def recipe_for_dataset(dataset: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a stored recipe on one dataset."""
    of_dataset: Mapping[str, Any] = recipe.get("by_dataset", {}).get(dataset, {})
    return {key: value for key, value in recipe.items() if key != "by_dataset"} | dict(of_dataset)


def _value(values: Mapping[str, Any], key: str) -> str | None:
    """The value as JSON, whole numbers as floats; None for a setting that does not exist."""
    value = values.get(key)
    plain = float(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return json.dumps(plain, sort_keys=True) if key in values else None


def with_changed_settings(runs: pd.DataFrame) -> pd.DataFrame:
    """The store's `runs_frame()` with a column `changed_settings`: names of changed settings, joined by commas.

    `recipe` is one of them if the recipe has the name of a published recipe and other values. The column is empty for
    published settings and for methods that are not installed.
    """
    method, protocol, shots, dataset = (runs[name].tolist() for name in ("method", "protocol", "shots", "dataset"))
    config, recipe = (
        runs[name].astype(object).where(runs[name].notna(), None).tolist() for name in ("config", "recipe")
    )
    configs = list(zip(method, protocol, config, strict=True))
    recipes = list(zip(method, protocol, shots, dataset, recipe, strict=True))
    of_config = {key: _changed_config(*key) for key in set(configs)}  # few, since most runs share them
    of_recipe = {key: ("recipe",) if _is_changed_recipe(*key) else () for key in set(recipes)}
    changed = [
        ",".join(of_config[config_key] + of_recipe[recipe_key])
        for config_key, recipe_key in zip(configs, recipes, strict=True)
    ]
    return runs.assign(changed_settings=changed)


def _changed_config(method: str, protocol: str, config: str | None) -> tuple[str, ...]:
    return changed_settings(json.loads(config or "{}"), published_values(method, protocol) or {})


def _is_changed_recipe(method: str, protocol: str, shots: int, dataset: str, recipe: str | None) -> bool:
    values = json.loads(recipe or "null")
    has_published_name = values is None or values.get("name") in (None, *PUBLISHED_RECIPES)
    return has_published_name and bool(changed_recipe(method, protocol, int(shots), dataset, values))
