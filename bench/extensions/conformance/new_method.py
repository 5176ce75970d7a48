"""Writes the file of a new method from `templates/`, without replacing an existing one.

It works before it is edited. Places to edit are marked EDIT.
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
) -> Path:
    """Write `NAME.py`, the file of a new method, into a folder, the current one by default; returns its path.

    Raises:
        UsageError: if the family is unknown, the name is malformed or taken, or the file exists.
    """
    from bench.results import known_methods
    from datasets_registry import NAME_PATTERN
    from methods import Family

    chosen, folder = parse_choice(get_args(Family), family, "--family"), folder or Path.cwd()
    if not NAME_PATTERN.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(
            f"Method name {name!r} cannot be a module: use lower-case letters, digits and underscores, beginning with "
            f"a letter, and no Python keyword; such as my_adapter."
        )
    if name in known_methods():
        raise UsageError(f"A method {name!r} is already registered; choose another name, or edit its file.")
    # a closed form of the support images, or a trained map
    is_closed = chosen in ("zero-shot", "cache", "classifier")
    texts = {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "cls": "".join(part.capitalize() for part in name.split("_")),
        "family": chosen,
    }
    template = "training_free.py" if is_closed else "trained.py"
    path = folder / f"{name}.py"
    if path.exists():
        raise UsageError(f"{path} already exists; move it away or choose another name. Nothing was written.")
    source = resources.files("bench.extensions.conformance") / "templates" / f"{template}.txt"
    try:
        path.write_text(Template(source.read_text(encoding="utf-8")).substitute(texts), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}. Change to a folder in which you may write."
        ) from None
    return path
