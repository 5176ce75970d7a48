"""Checks of the source tree itself: layout, imports, declared dependencies, package data, vocabulary."""

from __future__ import annotations

import ast
import gc
import re
import subprocess
import sys
import tomllib
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from one_case import for_each
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from places import ROOT

import bench

PACKAGES = ("bench", "methods", "datasets_registry", "reports")
IMPORTED_BY_OTHERS = {"torchvision"}  # dependencies that only another dependency imports
IMPORTED_EXTRAS = ("hdf5", "hf", "ray")
BANNED = (
    "anew",
    "asked nothing",
    "asks for it",
    "at hand",
    "behind its last",
    "behind the installation",
    "buried",
    "can be had",
    "cannot be had",
    "drawn dataset",
    "drawn datasets",
    "drawn images",
    "drawn suite",
    "encoder passes",
    "flipped images",
    "goes on where",
    "in vain",
    "is told",
    "kept are",
    "last words",
    "told from",
    "told of",
    "who gains",
)
"""Phrases that are not standard English of the field, or second names of one thing.

Generated images are "synthetic", and "drawn" means sampled. A model has towers. Flipped images are mirrored ones.
"""


# Reading the tree


@pytest.fixture(scope="module", autouse=True)
def no_garbage_collection() -> Iterator[None]:
    """The collector would go through all syntax trees again and again, which takes two thirds of the time."""
    gc.disable()
    yield
    gc.enable()


@lru_cache
def python_files(top: str) -> tuple[Path, ...]:
    return tuple(path for path in sorted((ROOT / top).rglob("*.py")) if "__pycache__" not in path.parts)


def sources() -> tuple[Path, ...]:
    return tuple(path for package in PACKAGES for path in python_files(package))


@lru_cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_below(node: ast.AST, *, inside_functions: bool) -> Iterator[tuple[str, str | None]]:
    """Each absolute import as (module, name or None), without those for type checkers only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            continue  # an expression imports nothing
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for statement in child.orelse:
                yield from imports_below(ast.Module([statement], []), inside_functions=inside_functions)
        elif isinstance(child, ast.Import):
            yield from ((alias.name, None) for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
            yield from ((child.module, alias.name) for alias in child.names)
        elif inside_functions or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports_below(child, inside_functions=inside_functions)


@lru_cache
def imports(path: Path, *, inside_functions: bool = True) -> tuple[tuple[str, str | None], ...]:
    return tuple(imports_below(parsed(path), inside_functions=inside_functions))


def private_imports(path: Path, package: str) -> list[str]:
    """Names that a file of `package` imports from private modules of another of our packages."""
    found = []
    for module, name in imports(path):
        parts = [*module.split("."), *([name] if name else [])]
        if parts[0] in PACKAGES and parts[0] != package:
            private = any(part.startswith("_") and not part.startswith("__") for part in parts[1:])
            found += [f"{shown(path)}: {'.'.join(parts)}"] if private else []
    return found


@lru_cache
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def declared(extra: str | None = None) -> dict[str, Requirement]:
    """Distributions that pyproject declares, as core dependencies or for an extra."""
    lines = project()["dependencies"] if extra is None else project()["optional-dependencies"][extra]
    requirements = {canonicalize_name(r.name): r for r in map(Requirement, lines)}
    return {name: r for name, r in requirements.items() if name != canonicalize_name(project()["name"])}


# Layout


def test_every_package_and_folder_has_a_docstring() -> None:
    inits = [path for path in [*sources(), *python_files("tools")] if path.name == "__init__.py"]
    assert [shown(path) for path in inits if not ast.get_docstring(parsed(path))] == []
    folders = {path.parent for path in sources()}
    assert [shown(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_test_folders_mirror_source_folders(package: str) -> None:
    test_folders = {path.parent.relative_to(ROOT / "tests") for path in python_files(f"tests/{package}")}
    source_folders = {path.parent.relative_to(ROOT) for path in python_files(package)}
    assert test_folders <= source_folders
    assert package in {folder.parts[0] for folder in test_folders}


def test_every_folder_of_bench_has_tests() -> None:
    folders = [path.parent.name for path in (ROOT / "bench").glob("*/__init__.py")]
    tests = ROOT / "tests" / "bench"
    assert [folder for folder in folders if not list((tests / folder).rglob("test_*.py"))] == []


def test_images_are_opened_in_one_file() -> None:
    """`datasets_registry._readers.decode` has the limits; nothing else opens an image."""
    found = [
        shown(path)
        for path in sources()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr == "open" and ast.unparse(node.value).endswith("Image")
    ]
    found += [shown(path) for path in sources() if ("PIL.Image", "open") in set(imports(path))]
    assert found == ["datasets_registry/_readers/decode.py"]


# Imports


def test_no_package_imports_a_private_module_of_another() -> None:
    found = [line for path in sources() for line in private_imports(path, path.relative_to(ROOT).parts[0])]
    assert found == [], "import from the package"


def test_no_test_module_imports_another() -> None:
    module = re.compile(r"^\s*(?:from|import)\s+(?:tests\b|conftest\b|[\w.]*\btest_\w)", flags=re.MULTILINE)
    tests = {name: text for name, text in texts().items() if name.startswith("tests/") and name.endswith(".py")}
    found = [f"{name}: {match.group().strip()}" for name, text in tests.items() for match in module.finditer(text)]
    assert tests
    assert found == [], "move to tests/support"


def test_no_modules_import_each_other() -> None:
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sources()}
    modules = {name.removesuffix(".__init__"): path for name, path in modules.items()}
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        targets = {f"{m}.{n}" if f"{m}.{n}" in modules else m for m, n in imports(path)}
        graph[name] = targets & modules.keys() - {name}
    for _ in range(len(graph)):  # what imports nothing, or is imported by nothing, is in no circle
        imported = set().union(*graph.values())
        graph = {name: targets & graph.keys() for name, targets in graph.items() if targets and name in imported}
    assert sorted(graph) == [], "a circle of imports"


def test_modules_that_windows_lacks_are_imported_only_where_they_are_used() -> None:
    found = {
        shown(path)
        for path in sources()
        for statement in parsed(path).body
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for module, _ in imports_below(ast.Module([statement], []), inside_functions=True)
        if module in ("fcntl", "grp", "pwd", "resource", "termios")
    }
    assert found == set()


ROOMS = {path.parent.name for path in (ROOT / "bench").glob("*/__init__.pyi")}


def test_rooms_and_reports_import_other_rooms_by_their_door() -> None:
    found = []
    for path in (*python_files("bench"), *python_files("reports")):
        own = path.relative_to(ROOT / "bench").parts[0] if path.is_relative_to(ROOT / "bench") else "reports"
        for module, _ in imports(path):
            first, *rest = module.split(".")
            if first == "bench" and rest and rest[0] in ROOMS - {own} and len(rest) > 1:
                found.append(f"{shown(path)}: {module}")
    assert found == [], "import from the room"


@for_each("room", sorted(ROOMS))
def test_no_file_hides_a_name_of_its_door(room: str) -> None:
    """Importing `bench.room.name` would replace the name `name` of the door by the file."""
    folder = ROOT / "bench" / room
    names = {
        a.asname
        for node in ast.parse((folder / "__init__.pyi").read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom) and node.module  # without one, the name is the file itself
        for a in node.names
    }
    assert names & {path.stem for path in folder.iterdir()} == set()


# Dependencies


@lru_cache
def third_party(*, inside_functions: bool = True) -> dict[str, set[str]]:
    """Distributions that the four packages import, with the files that import each."""
    owners = packages_distributions()
    found = defaultdict(set)
    for path in sources():
        for module, _ in imports(path, inside_functions=inside_functions):
            top = module.split(".")[0]
            if top not in sys.stdlib_module_names and top not in PACKAGES:
                name = owners[top][0] if top in owners else top
                found[canonicalize_name(name)].add(shown(path))
    return dict(found)


def test_every_import_is_a_declared_dependency() -> None:
    allowed = set().union(*map(declared, (None, *IMPORTED_EXTRAS)))
    assert {name: files for name, files in third_party().items() if name not in allowed} == {}


def test_an_optional_dependency_is_imported_when_it_is_used() -> None:
    """Only the launcher that needs it may import an extra's package at the top of a file."""
    early = third_party(inside_functions=False)
    for extra in IMPORTED_EXTRAS:
        files = {file for name in declared(extra).keys() - declared().keys() for file in early.get(name, ())}
        assert [file for file in files if not file.startswith(f"bench/sweep/launch/{extra}")] == []


def test_every_declared_dependency_is_imported() -> None:
    by_name = (ROOT / "methods" / "_backbones" / "open_clip_library.py").read_text(encoding="utf-8")
    assert 'import_module("open_clip")' in by_name
    used = third_party().keys() | IMPORTED_BY_OTHERS | {"open-clip-torch"}
    assert set().union(*map(declared, (None, *IMPORTED_EXTRAS))) - used == set()


@for_each("extra", [None, *project()["optional-dependencies"]])
def test_constraints_pin_an_allowed_version_of_every_dependency(extra: str | None) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    wrong = {n: pins.get(n) for n, r in declared(extra).items() if n not in pins or not r.specifier.contains(pins[n])}
    assert wrong == {}, "run `make lock`"


# Package data


def test_the_wheel_contains_every_file_of_the_packages(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="needs hatchling to build the wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        members = set(wheel.namelist())
    files = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files - members == set()
    assert {f"{package}/py.typed" for package in PACKAGES} <= files
    pages = {f"bench/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "docs").rglob("*") if path.is_file()}
    assert {member for member in members - files if ".dist-info/" not in member} == pages


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert bench.__version__ == project()["version"] == citation["version"]


# Automation


def test_workflows_pin_actions_by_major_version_and_call_targets_that_exist() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    files = list((ROOT / ".github" / "workflows").glob("*.yml"))
    steps = [
        step
        for file in files
        for job in yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].values()
        for step in job["steps"]
    ]
    assert [s["uses"] for s in steps if "uses" in s and not re.fullmatch(r"[\w-]+/[\w-]+@v\d+", s["uses"])] == []
    called = [name for s in steps if s.get("run", "").startswith("make ") for name in s["run"].split()[1:]]
    assert called
    assert set(called) <= set(targets)


# Words


TEXT_SUFFIXES = (".css", ".ipynb", ".js", ".j2", ".md", ".py", ".pyi", ".toml", ".yml")


@lru_cache
def texts() -> dict[str, str]:
    folders = [ROOT / name for name in (*PACKAGES, "tests", "tools", "docs", ".github")]
    files = [*ROOT.glob("*"), *(path for folder in folders for path in folder.rglob("*"))]
    return {shown(f): f.read_text(encoding="utf-8") for f in files if f.suffix in TEXT_SUFFIXES and f != Path(__file__)}


def test_plain_english() -> None:
    between = r"\s+(?:#\s+)?"  # a phrase may go on in the next line, also of a comment
    phrases = "|".join(between.join(phrase.split()) for phrase in BANNED)
    pattern = re.compile(rf"\b(?:{phrases})\b", flags=re.IGNORECASE)
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"
        for name, text in texts().items()
        for match in pattern.finditer(text)
    ]
    assert found == []
