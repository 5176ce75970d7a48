"""Writes the files of a new method from `templates/`, without replacing existing files.

The files work before they are edited. Places to edit are marked EDIT.
"""

import keyword
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from bench.errors import UsageError
from bench.results import known_methods
from datasets_registry import METHODS_GROUP, NAME_PATTERN
from methods import Family

TRAINING_FREE_FAMILIES = frozenset({Family.ZERO_SHOT, Family.CACHE, Family.CLASSIFIER})
"""Families whose template is a closed form of the support images; the others get a trained map."""


@dataclass(frozen=True)
class Scaffold:
    """The written files.

    Args:
        files: new files, the method's first.
        install: the folder to install with pip; None in a checkout, which needs no installation.
    """

    files: tuple[Path, ...]
    install: Path | None


def scaffold(name: str, family: Family, folder: Path) -> Scaffold:
    """Write the files of a new method.

    In a checkout of this project, write the method's file and its test. Elsewhere, write a package
    `etl-bench-NAME` that registers the method with an entry point.

    Raises:
        UsageError: if the name is malformed or taken, or its files exist.
    """
    _check_name(name)
    if _is_checkout(folder):
        module = f"methods.{name}"
        files = {folder / "methods" / f"{name}.py": method_text(name, family)}
        files[folder / "tests" / "methods" / f"test_{name}.py"] = test_text(name, family, module)
        _write_new(files)
        return Scaffold(tuple(files), None)
    package = f"etl_bench_{name}"
    root = folder / f"etl-bench-{name.replace('_', '-')}"
    files = {
        root / package / f"{name}.py": method_text(name, family),
        root / package / "__init__.py": f'"""{_title(name)}, a method for etl-bench."""\n',
        root / "tests" / f"test_{name}.py": test_text(name, family, f"{package}.{name}"),
        root / "pyproject.toml": _filled(
            "pyproject.toml", name, project=root.name, package=package, group=METHODS_GROUP
        ),
    }
    _write_new(files)
    return Scaffold(tuple(files), root)


def method_text(name: str, family: Family) -> str:
    """The method's file."""
    template = "training_free.py" if family in TRAINING_FREE_FAMILIES else "trained.py"
    return _filled(template, name, family=f"Family.{family.name}")


def test_text(name: str, family: Family, module: str) -> str:
    """The test's file."""
    counted = "0" if family in TRAINING_FREE_FAMILIES else "512 * 512"
    return _filled("test.py", name, module=module, counted=counted)


def _filled(template: str, name: str, **values: str) -> str:
    folder = resources.files("bench.extensions.conformance") / "templates"
    text = (folder / f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(values, name=name, title=_title(name), cls=_class_name(name))


def _check_name(name: str) -> None:
    if not NAME_PATTERN.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(
            f"Method name {name!r} cannot be a module: use lower-case letters, digits and underscores, beginning with "
            f"a letter, and no Python keyword; such as my_adapter."
        )
    if name in known_methods():
        raise UsageError(f"A method {name!r} is already registered; choose another name, or edit its file.")


def _is_checkout(folder: Path) -> bool:
    return all((folder / path).exists() for path in ("methods/__init__.pyi", "tests/methods"))


def _write_new(files: dict[Path, str]) -> None:
    if existing := [path for path in files if path.exists()]:
        raise UsageError(f"{existing[0]} already exists; move it away or choose another name. Nothing was written.")
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"{path} cannot be written: {error.strerror or error}. Change to a folder in which you may write."
            ) from None


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
