"""A strict registry of named entries, and their origins: modules, installed packages and the user's folders.

A broken entry from outside the package is left out with one line of warning; the others are unaffected.
"""

import importlib
import importlib.util
import logging
import os
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from platformdirs import user_config_path

from datasets_registry._errors import RegistrationError, UnknownNameError, spelling

T = TypeVar("T")

DATASETS_GROUP = "clip_etl_bench.datasets"
METHODS_GROUP = "clip_etl_bench.methods"

_log = logging.getLogger("etl-bench")


def catalogue_modules(package: str, folders: Iterable[str]) -> list[str]:
    """The modules of a package without a leading underscore, in alphabetical order.

    Each of these modules of a catalogue registers one entry, so there is no list to maintain.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(folders))
    return [f"{package}.{name}" for name in names if not name.startswith("_")]


def import_catalogue(package: str, folders: Iterable[str], registry: "Registry[Any]") -> None:
    """Import all modules of a catalogue, which register their entries. One that cannot be imported is left out.

    The warning has its file and line. A module that hangs is named when the user interrupts it.
    """
    for module in catalogue_modules(package, folders):
        name = module.rpartition(".")[2]
        try:
            with redirect_stdout(sys.stderr):  # what a file prints is no part of a listing
                importlib.import_module(module)
        except KeyboardInterrupt:
            _log.warning("warning: interrupted while %s was imported", module)
            raise
        except (Exception, SystemExit) as error:
            advice = f"`python -c 'import {module}'` shows the traceback."
            registry.leave_out(name, f"{_import_failure(module, f'{name}.py', error)} {advice}")
            continue
        if name not in registry and not registry.names_of(module):
            registry.unavailable[name] = f"{module} registers nothing; it lacks `register_{registry.kind}`."


def _import_failure(module: str, file: str, error: BaseException) -> str:
    """The error of an import, with the innermost line of the module's own file."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
    lines = [f"{name}, line {line}" for name, line in places if Path(name).name == file]
    return f"{lines[-1] if lines else module} cannot be imported: {type(error).__name__}: {_one_line(error)}."


def _one_line(error: BaseException) -> str:
    pydantic = sys.modules.get("pydantic")  # its errors come from where it is loaded
    if pydantic is not None and isinstance(error, pydantic.ValidationError):
        problems = error.errors(include_url=False)
        return "; ".join(": ".join([*map(str, problem["loc"]), problem["msg"]]) for problem in problems)
    return error.msg if isinstance(error, SyntaxError) else str(error).rstrip(".")


LONGEST_TITLE = 300
"""Most characters of a title in tables."""
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,199}")


class Registry(Generic[T]):
    """A mapping of names to entries. Malformed and repeated names raise at import; unknown names list near misses.

    Args:
        kind: the word for an entry in messages.
        load: imports the modules that register the entries; called once, when the registry is first read.
        advice: returns a sentence, with a space in front, for the error of that unknown name.

    Attributes:
        unavailable: why entries could not be loaded, by name.
    """

    def __init__(
        self, kind: str, load: Callable[[], None] | None = None, advice: Callable[[str], str] = lambda _: ""
    ) -> None:
        self.kind = kind
        self._advice = advice
        self._entries: dict[str, T] = {}
        self.unavailable: dict[str, str] = {}
        self._load = load
        self._modules: dict[str, str] = {}

    @property
    def entries(self) -> dict[str, T]:
        """All entries by name."""
        if self._load is not None:
            load, self._load = self._load, None  # the entries read the registry while they are loaded
            complete = False
            try:
                load()
                complete = True
            finally:
                if not complete:
                    self._load = load
        return self._entries

    def add(self, name: str, entry: T, title: str = "", module: str = "") -> T:
        """Register `entry`, which `module` defines, under `name`.

        Raises RegistrationError if the name is malformed or taken, or the title does not fit into a table.
        """
        if not NAME_PATTERN.fullmatch(name):
            raise RegistrationError(f"{self.kind} name {name!r} must match {NAME_PATTERN.pattern!r}.")
        if name in self._entries:
            first = f", first by {self._modules[name]}" if self._modules.get(name) else ""
            raise RegistrationError(f"{self.kind} {name!r} is registered twice{first}; give one of them another name.")
        if len(title) > LONGEST_TITLE or not title.isprintable():
            raise RegistrationError(
                f"The title of {self.kind} {name!r} must be at most {LONGEST_TITLE} printable characters; it has "
                f"{len(title)} and begins with {title[:40]!r}."
            )
        self._entries[name] = entry
        self._modules[name] = module
        return entry

    def names_of(self, module: str) -> list[str]:
        """The names of the entries that a module has registered."""
        return [name for name in self.entries if self._modules.get(name) == module]

    def get(self, name: str) -> T:
        """The entry of that exact name.

        Raises UnknownNameError with near misses, or RegistrationError with the reason if the entry could not be loaded.
        """
        try:
            return self.entries[name]
        except KeyError:
            if name in self.unavailable:
                raise RegistrationError(
                    f"{self.kind.capitalize()} {name!r} could not be loaded: {self.unavailable[name]}"
                ) from None
            raise UnknownNameError(self.kind, name, self.entries, self._advice(name)) from None

    def leave_out(self, name: str, reason: str) -> None:
        """Record and log why an entry could not be loaded; `get` shows the reason."""
        self.unavailable[name] = line = " ".join(reason.split())
        _log.warning("warning: %s %r is left out: %s", self.kind, name, line)

    def match(self, pattern: str) -> list[str]:
        """The sorted names that match a shell-style pattern, or `all`; a plain name must exist.

        Case, blanks, hyphens and underscores of a plain name do not matter: `EuroSAT` is `eurosat`.
        """
        if pattern == "all":
            return sorted(self.entries)
        if not any(c in pattern for c in "*?["):
            if pattern not in self.entries:
                alike = [name for name in self.entries if spelling(name) == spelling(pattern)]
                if len(alike) == 1:
                    return alike
            self.get(pattern)
            return [pattern]
        matching = sorted(name for name in self.entries if fnmatchcase(name, pattern))
        if not matching:
            raise UnknownNameError(self.kind, pattern, self.entries, self._advice(pattern))
        return matching

    def remove(self, name: str) -> None:
        """Remove an entry, for tests that register one."""
        del self.entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.entries))

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def __len__(self) -> int:
        return len(self.entries)


def load_entry_points(group: str, registry: Registry[Any]) -> None:
    """Import the entry points of installed packages; importing a module registers its entries, as in this package.

    An entry point should have the name that it registers. Then a request for a name that could not be loaded shows the
    reason. What one prints goes to standard error; one that hangs is named when the user interrupts it.
    """
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        try:
            with redirect_stdout(sys.stderr):
                point.load()
        except KeyboardInterrupt:
            _log.warning("warning: interrupted while the plug-in %s was imported", point.value)
            raise
        except BaseException as error:
            package = point.dist.name if point.dist else "an unknown package"
            problem = f"{type(error).__name__}: {error}"
            reason = (
                f"the plug-in of package {package!r} ({point.value}) could not be loaded ({problem}). Update that "
                f"package, or `pip uninstall {package}`."
            )
            registry.leave_out(point.name, reason)


METHOD_FILES_VARIABLE = "ETL_BENCH_METHODS"


def method_files() -> list[Path]:
    """The user's own files of methods. Worker processes inherit the variable, so they see the same methods."""
    return [Path(file) for file in os.environ.get(METHOD_FILES_VARIABLE, "").split(os.pathsep) if file]


def module_of_file(path: Path) -> str:
    """The name of the module that a user's file is imported as."""
    return f"etl_bench_method_{path.stem}"


def load_method_files(registry: Registry[Any]) -> None:
    """Import the user's files that were not imported yet; one that cannot be imported is left out."""
    for path in method_files():
        name = module_of_file(path)
        spec = importlib.util.spec_from_file_location(name, path)
        if name in sys.modules or spec is None or spec.loader is None:
            continue
        registry.unavailable.pop(path.stem, None)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        try:
            with redirect_stdout(sys.stderr):
                spec.loader.exec_module(module)
            if len(registry.names_of(name)) != 1:
                raise RegistrationError(f"it must register one {registry.kind}, with `register_method`")
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            registry.unavailable[path.stem] = _import_failure(str(path), path.name, error)


CUSTOM_FOLDERS_VARIABLE = "ETL_BENCH_DATASETS"
PROJECT_FOLDER = "etl-bench-datasets"


def custom_folders() -> list[Path]:
    """The folders that are searched for custom datasets, in order of precedence.

    If ETL_BENCH_DATASETS is set, only its folder is searched; otherwise `./etl-bench-datasets`, then the user's folder.
    They are read when the catalogue is imported. Worker processes inherit the variable and the working folder, so they
    see the same datasets.
    """
    folder = os.environ.get(CUSTOM_FOLDERS_VARIABLE)
    return [Path(folder).expanduser()] if folder else [Path(PROJECT_FOLDER), user_custom_folder()]


def user_custom_folder() -> Path:
    """The user's folder of custom datasets for all projects, `~/.config/clip-etl-bench/datasets` on Linux."""
    return user_config_path("clip-etl-bench", appauthor=False) / "datasets"


def custom_files(pattern: str) -> list[Path]:
    """Files in the custom folders that match a glob pattern, in order of precedence."""
    files: list[Path] = []
    for folder in custom_folders():
        try:
            files += sorted(folder.glob(pattern)) if folder.is_dir() else []
        except OSError as error:
            _log.warning("The folder %s of custom datasets cannot be read (%s). Check its permissions.", folder, error)
    return files
