"""Digests of the files of a method, by which changes of a method that does not ship with this package are noticed."""

import ast
import inspect
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from bench.results.files import sha256

_OWN_PACKAGES = frozenset({"bench", "methods", "datasets_registry", "reports"})
_KEEPING = frozenset({"tuned_state", "restore_tuned_state"})
"""Functions that store and restore the learned tensors of a method; no run's result depends on them."""


@cache
def source_digest(cls: type) -> str:
    """Hex SHA-256 of the code in the files that define a method; equal on every platform.

    These are the file of the class and the files of the methods that it derives from, so an ensemble around another
    method changes with that method. Comments and docstrings do not count, see `code_only`.
    """
    files = _method_files(cls)
    if not files:  # a class defined in a notebook or a shell has no file; only its name identifies it
        return sha256(f"{cls.__module__}.{cls.__qualname__}".encode())
    digests = [_code_digest(path) for path in files.values()]
    return digests[0] if len(digests) == 1 else sha256("".join(digests).encode())


def code_only(text: str) -> str:
    """Python source without comments, docstrings, empty lines and imports of this project's own packages.

    Functions that only store a tuned model are also left out.
    """
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for statement in _ignored_statements(ast.parse(text)):
        for row in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1):
            lines[row - 1] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _ignored_statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that no result depends on: bare strings, imports from this project, and functions in `_KEEPING`."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                yield node
            case ast.FunctionDef(name=name) if name in _KEEPING:
                yield node
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in _OWN_PACKAGES:
                yield node


def _method_files(cls: type) -> dict[str, Path]:
    """Files by module of a class and of the methods that it derives from, without shared code."""
    files: dict[str, Path] = {}
    for base in cls.__mro__:
        module = base.__module__
        shared = "._" in module or module in ("builtins", "abc", "typing")
        if base is not cls and shared:
            continue
        file = _file(module) or _defining_file(base)
        if file is not None:
            files.setdefault(module, file)
    return files


@cache
def _code_digest(path: Path) -> str:
    return sha256(code_only(path.read_text(encoding="utf-8")).encode())


@cache
def _file(module: str) -> Path | None:
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin and spec.origin.endswith(".py") else None


def _defining_file(cls: type) -> Path | None:
    try:
        path = inspect.getsourcefile(cls)
    except (OSError, TypeError):
        return None
    return None if path is None or not Path(path).is_file() else Path(path)
