"""Mistakes in published settings: one value of a recipe, a protocol, a dataset or a default is changed at a time.

The tests that compare our settings with the official ones must notice.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ["tests/tools/test_compared_settings.py", "tests/methods/test_settings_by_dataset.py"]
FOLDERS = ("methods", "methods/_parts")
LABELS = frozenset({"name", "source"})
"""Fields of a recipe that are no settings."""
MISTAKEN_TEXT = {"own": "select7", "select7": "imagenet80"}
"""Texts of templates; other texts are changed only where the other choices stand beside them."""


def files() -> list[str]:
    """The files of the methods and of their parts that have settings."""
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.py"))]
    return [path.relative_to(ROOT).as_posix() for path in found if next(changes(path.read_bytes()), None)]


def changes(source: bytes) -> Iterator[tuple[ast.expr, str]]:
    """Each place of a file's settings with the text that replaces it, in the order of the file."""
    tree = ast.parse(source)
    found: dict[tuple[int, int, str], tuple[ast.expr, str]] = {}
    for name, value in _settings(tree):
        for node, new in [*_mistaken(value), *_next_choice(name, value), *_of_one_dataset(name, value, source)]:
            found.setdefault((node.lineno, node.col_offset, new), (node, new))
    for choices, value in _choices(tree):
        new = repr(choices[(choices.index(value.value) + 1) % len(choices)])
        found.setdefault((value.lineno, value.col_offset, new), (value, new))
    yield from (found[key] for key in sorted(found))


def _settings(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Names and values of settings outside functions: of recipes, of dictionaries, and defaults."""
    names = _names()
    for node in _outside_functions(tree):
        match node:
            case ast.Call(func=ast.Name(id="Recipe")):
                recipe = [word for word in node.keywords if word.arg and word.arg not in LABELS]
                yield from ((word.arg or "", word.value) for word in recipe)
                if recipe and all(word.arg != "by_dataset" for word in recipe):
                    yield "Recipe", recipe[0].value
            case ast.Dict():
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value in names:
                        yield key.value, value
            case ast.ClassDef(name=name) if name.endswith("Config"):
                for one in node.body:
                    if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.value is not None:
                        yield one.target.id, _default(one.value)


def _outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(tree):
        if not isinstance(child, ast.FunctionDef):
            yield child
            yield from _outside_functions(child)


def _default(value: ast.expr) -> ast.expr:
    """The default in `Field(default, ...)`."""
    return value.args[0] if isinstance(value, ast.Call) and value.args else value


def _mistaken(value: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    """Each number, truth value and template in a value, with another one."""
    match value:
        case ast.Constant(value=bool()):
            yield value, str(not value.value)
        case ast.Constant(value=int()):
            yield value, repr(value.value + 1)
        case ast.Constant(value=float()):
            yield value, repr(value.value / 2 if value.value else 0.5)
        case ast.Constant(value=str()) if value.value in MISTAKEN_TEXT:
            yield value, repr(MISTAKEN_TEXT[value.value])
        case ast.Dict():
            for one in value.values:
                yield from _mistaken(one)
        case ast.Tuple() | ast.List():
            for one in value.elts:
                yield from _mistaken(one)
        case ast.UnaryOp():
            yield from _mistaken(value.operand)


def _of_one_dataset(name: str, value: ast.expr, source: bytes) -> Iterator[tuple[ast.expr, str]]:
    """For a recipe without values of datasets, another rate on each dataset, written after its first value."""
    if name == "Recipe":
        kept = ast.get_source_segment(source.decode(), value)
        yield from ((value, f'{kept}, by_dataset={{"{dataset}": {{"lr": 0.0123}}}}') for dataset in _datasets())


def _next_choice(name: str, value: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    """For a field of a recipe that is a choice of texts, the next choice."""
    if isinstance(value, ast.Constant) and value.value in (choices := _recipe_choices().get(name, ())):
        yield value, repr(choices[(choices.index(value.value) + 1) % len(choices)])


@cache
def _recipe_choices() -> dict[str, tuple[str, ...]]:
    """The texts of each choice in a recipe."""
    body = _parsed("methods/_base/recipe.py").body
    return {
        ast.unparse(node.targets[0]).lower(): ast.literal_eval(node.value.slice)
        for node in body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Subscript)
        and ast.unparse(node.value.value) == "Literal"
    }


def _choices(tree: ast.Module) -> Iterator[tuple[list[str], ast.Constant]]:
    """The defaults of settings that are choices of texts, with all the choices."""
    for node in _outside_functions(tree):
        match node:
            case ast.AnnAssign(annotation=annotation, value=ast.Call()):
                literals = [one for one in ast.walk(annotation) if isinstance(one, ast.Constant)]
                texts = [one.value for one in literals if isinstance(one.value, str)]
                default = _default(node.value)
                if isinstance(default, ast.Constant) and default.value in texts and len(texts) > 1:
                    yield texts, default


@cache
def _names() -> frozenset[str]:
    """The names of all settings, of methods and of recipes."""
    parsed = [_parsed(path.relative_to(ROOT).as_posix()) for folder in FOLDERS for path in (ROOT / folder).glob("*.py")]
    classes = [one for tree in parsed for one in tree.body if isinstance(one, ast.ClassDef)]
    classes = [one for one in classes if one.name.endswith("Config")]
    bodies = [one.body for one in [*classes, _class_of(_parsed("methods/_base/recipe.py"), "Recipe")]]
    found = [ast.unparse(one.target) for body in bodies for one in body if isinstance(one, ast.AnnAssign)]
    return frozenset(found) - LABELS


@cache
def _datasets() -> tuple[str, ...]:
    """The datasets on which papers report."""
    body = _parsed("tools/official_settings/compared.py").body
    (value,) = (
        one.value for one in body if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "ELEVEN_DATASETS"
    )
    found: tuple[str, ...] = ast.literal_eval(value)
    return found


@cache
def _parsed(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_bytes())


def _class_of(tree: ast.Module, name: str) -> ast.ClassDef:
    return next(one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == name)
