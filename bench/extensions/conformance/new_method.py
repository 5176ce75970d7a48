"""Writes the files of a new method from `templates/`, without replacing existing files.

The files work before they are edited. Places to edit are marked EDIT.
"""

from __future__ import annotations

import keyword
from importlib import resources
from pathlib import Path
from string import Template
from typing import Annotated, get_args

from bench.api import options
from bench.errors import UsageError
from bench.sweep import parse_choice


def scaffold(
    name: Annotated[str, options.Arg("Name of the method: lower-case letters, digits and underscores.")],
    family: Annotated[
        str, options.Opt("What it learns: 'text prompt', 'cache', 'classifier', ...; see `methods`.")
    ] = "feature adapter",
    folder: Path | None = None,
) -> tuple[list[Path], Path | None]:
    """Write the files of a new method.

    In a checkout of this project, write the method's file and its test. Elsewhere, write a package
    `etl-bench-NAME` that registers the method with an entry point.

    Returns:
        The new files, the method's first; and the folder to install with pip, None in a checkout, which needs no
        installation.

    Raises:
        UsageError: if the family is unknown, the name is malformed or taken, or its files exist.
    """
    from bench.results import known_methods
    from datasets_registry import METHODS_GROUP, NAME_PATTERN
    from methods import Family

    chosen, folder = parse_choice(get_args(Family), family, "--family"), folder or Path.cwd()
    if not NAME_PATTERN.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(
            f"Method name {name!r} cannot be a module: use lower-case letters, digits and underscores, beginning with "
            f"a letter, and no Python keyword; such as my_adapter."
        )
    if name in known_methods():
        raise UsageError(f"A method {name!r} is already registered; choose another name, or edit its file.")
    in_checkout = all((folder / path).exists() for path in ("methods/__init__.pyi", "tests/methods"))
    package = "methods" if in_checkout else f"etl_bench_{name}"
    root = folder if in_checkout else folder / f"etl-bench-{name.replace('_', '-')}"
    # a closed form of the support images, or a trained map
    is_closed = chosen in ("zero-shot", "cache", "classifier")
    texts = {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "cls": "".join(part.capitalize() for part in name.split("_")),
        "family": chosen,
        "module": f"{package}.{name}",
        "counted": "0" if is_closed else "512 * 512",
        "project": root.name,
        "package": package,
        "group": METHODS_GROUP,
    }
    templates = {root / package / f"{name}.py": "training_free.py" if is_closed else "trained.py"}
    if in_checkout:
        templates[root / "tests" / "methods" / f"test_{name}.py"] = "test.py"
    else:
        templates[root / package / "__init__.py"] = "package.py"
        templates[root / "tests" / f"test_{name}.py"] = "test.py"
        templates[root / "pyproject.toml"] = "pyproject.toml"
    if existing := [path for path in templates if path.exists()]:
        raise UsageError(f"{existing[0]} already exists; move it away or choose another name. Nothing was written.")
    for path, template in templates.items():
        source = resources.files("bench.extensions.conformance") / "templates" / f"{template}.txt"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(Template(source.read_text(encoding="utf-8")).substitute(texts), encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"{path} cannot be written: {error.strerror or error}. Change to a folder in which you may write."
            ) from None
    return list(templates), None if in_checkout else root
