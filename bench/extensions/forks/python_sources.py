"""What the Python files of a repository import and read, from their syntax trees; nothing of them runs."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath

from bench.extensions.forks.fork_folder import Fork

_DEEPEST = 20
"""Words of a module's name that are looked at."""
_READERS = frozenset("open load read_csv read_json loadtxt load_json read_text imread".split())  # noqa: SIM905
"""Functions whose first argument is a file that is read."""


@dataclass(frozen=True)
class ImportLine:
    """A module that a file imports when it is loaded itself.

    Args:
        module: its name; for a relative import, the name within the folder.
        folder: that the name is looked for in; None for the folders that all imports are looked for in.
    """

    file: str
    module: str
    folder: str | None = None

    @property
    def shown(self) -> str:
        """The name as Python writes it; a relative one begins with a dot."""
        return self.module if self.folder is None else f".{self.module}"


@dataclass(frozen=True)
class PythonSources:
    """The files that are loaded when some files of a repository are started, directly or by an import.

    Args:
        start: the files that are started.
        folders: folders of the repository from which modules are imported besides those of the started files.
    """

    fork: Fork
    start: tuple[str, ...]
    folders: tuple[str, ...] = ()
    _trees: dict[str, ast.Module | None] = field(default_factory=dict)

    @cached_property
    def places(self) -> tuple[str, ...]:
        """The folders that imports are looked for in, in order; empty for the repository itself."""
        own = (posixpath.dirname(file) for file in self.start)
        return tuple(dict.fromkeys((*own, *self.folders, "")))

    @cached_property
    def files(self) -> tuple[str, ...]:
        """All files that are loaded, the started ones first."""
        found, left = dict.fromkeys(self.start), list(self.start)
        while left:
            for one in self._imports(left.pop()):
                for file in self._files_of(one):
                    if file not in found:
                        found[file] = None
                        left.append(file)
        return tuple(found)

    @cached_property
    def absent(self) -> tuple[ImportLine, ...]:
        """Modules of the repository's own packages that are imported and that it lacks, each once."""
        found: dict[str, ImportLine] = {}
        for file in self.files:
            for one in self._imports(file):
                if self._is_own(one) and not self._has(one):
                    found.setdefault(".".join(filter(None, ((one.folder or "").replace("/", "."), one.module))), one)
        return tuple(one for name, one in found.items() if not any(part in found for part in _parts_of(name)))

    @cached_property
    def outside(self) -> frozenset[str]:
        """The top names of the packages that are imported and are not the repository's own."""
        imports = (one for file in self.files for one in self._imports(file) if one.folder is None)
        tops = {one.module.partition(".")[0]: one for one in imports}
        return frozenset(top for top, one in tops.items() if not self._has(replace(one, module=top)))

    def texts_read(self, file: str) -> Iterator[str]:
        """The file names that are written in calls that read a file, such as `open("texts.json")`."""
        for node in ast.walk(self._tree(file) or ast.Module([], [])):
            if not isinstance(node, ast.Call) or not node.args or _name(node.func) not in _READERS or _writes(node):
                continue
            if isinstance(text := getattr(node.args[0], "value", None), str):
                yield text

    def _tree(self, file: str) -> ast.Module | None:
        if file not in self._trees:
            try:
                self._trees[file] = ast.parse(self.fork.text(file))
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._trees[file] = None
        return self._trees[file]

    def _imports(self, file: str) -> Iterator[ImportLine]:
        """What a file imports at its top level, without what it tries to import."""
        tree = self._tree(file)
        for node in _loaded(tree.body if tree else ()):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield ImportLine(file, alias.name)
            elif node.level:
                folder = "/".join(PurePosixPath(file).parts[: -node.level])
                yield from self._from(ImportLine(file, node.module or "", folder), node.names)
            elif node.module:
                yield from self._from(ImportLine(file, node.module), node.names)

    def _from(self, one: ImportLine, names: Sequence[ast.alias]) -> Iterator[ImportLine]:
        """A module and those of these names that are modules below it."""
        if one.module:
            yield one
        below = (replace(one, module=f"{one.module}.{alias.name}".lstrip(".")) for alias in names)
        yield from (found for found in below if self._has(found))

    def _files_of(self, one: ImportLine) -> list[str]:
        """The files that are loaded with a module of the repository: its packages and itself."""
        parts = one.module.split(".")
        paths = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        found = (self._first(one, [f"{path}.py", f"{path}/__init__.py"]) for path in paths)
        return [file for file in found if file is not None]

    def _first(self, one: ImportLine, ends: Sequence[str]) -> str | None:
        """The first of these files in the order of the folders."""
        files = (_joined(place, end) for place in self._places_of(one) for end in ends)
        return next((file for file in files if file in self.fork.known), None)

    def _places_of(self, one: ImportLine) -> tuple[str, ...]:
        return self.places if one.folder is None else (one.folder,)

    def _has(self, one: ImportLine) -> bool:
        found = [_joined(place, one.module.replace(".", "/")) for place in self._places_of(one)]
        return any(f"{path}.py" in self.fork.known or path in self.fork.code_folders for path in found)

    def _is_own(self, one: ImportLine) -> bool:
        """Whether a module is in a package of the repository, so that no other one can have it."""
        top, dot, _ = one.module.partition(".")
        return one.folder is not None or (bool(dot) and self._has(replace(one, module=top)))


def _parts_of(name: str) -> Iterator[str]:
    """The shorter names in a module's name, such as `a`, `b` and `a.b` of `a.b.c`."""
    words = name.split(".")[:_DEEPEST]
    for start in range(len(words)):
        yield from (".".join(words[start:end]) for end in range(start + 1, len(words)))


def _joined(folder: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path))


def _loaded(body: Sequence[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that are carried out when a module is loaded; those in `try` may fail."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.With):
            yield from _loaded(node.body)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _writes(call: ast.Call) -> bool:
    modes = [*call.args[1:2], *(one.value for one in call.keywords if one.arg == "mode")]
    return any(isinstance(mode, ast.Constant) and set("wax") & set(str(mode.value)) for mode in modes)
