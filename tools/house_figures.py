"""Print the measurements of decision 0008 for a source tree: `python -m tools.house_figures [ROOT] [--names SEED]`.

Counted are the files below `bench`, `methods`, `datasets_registry` and `reports`, and those below `tests` where the row
says so. `--names` also prints fifteen functions drawn at random, with which a reader can test whether the names of
folders and files lead to them.
"""

from __future__ import annotations

import argparse
import ast
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("bench", "methods", "datasets_registry", "reports")
SAMPLE = 15
RUN_OPTION = "curve"


def sources(root: Path, *folders: str) -> list[Path]:
    """Python files of some folders below the root."""
    return sorted(path for folder in folders for path in (root / folder).rglob("*.py"))


def private_imports(files: list[Path], root: Path) -> tuple[int, int]:
    """Names imported from a `_private` module of another package, and the files that do so."""
    names = using = 0
    for path in files:
        package = path.relative_to(root).parts[0]
        found = 0
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                first, *rest = node.module.split(".")
                private = any(part.startswith("_") for part in rest)
                if first in PACKAGES and first != package:
                    found += sum(private or alias.name.startswith("_") for alias in node.names)
        names, using = names + found, using + (found > 0)
    return names, using


def module_name(path: Path, root: Path) -> str:
    """The dotted name of a file; a package is its `__init__`."""
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def public_names(root: Path) -> dict[str, str]:
    """Where each name of a stub is defined: `methods.Method` -> `methods._base.method`."""
    found = {}
    for package in PACKAGES:
        if (stub := root / package / "__init__.pyi").is_file():
            for node in ast.parse(stub.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ImportFrom):
                    found |= {f"{package}.{alias.name}": f"{package}.{node.module}" for alias in node.names}
    return found


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a module imports, inside functions too; not those for type checkers only."""
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test):
        return
    if isinstance(tree, ast.Import):
        yield from (alias.name for alias in tree.names)
    elif isinstance(tree, ast.ImportFrom) and tree.module and not tree.level:
        yield from (f"{tree.module}.{alias.name}" for alias in tree.names)
    for child in ast.iter_child_nodes(tree):
        yield from imported(child)


def import_cycles(root: Path) -> list[set[str]]:
    """Groups of files that import one another, directly or through others."""
    files = {module_name(path, root): path for path in sources(root, *PACKAGES)}
    public = public_names(root)
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        targets = [public.get(text, text) for text in imported(ast.parse(path.read_text(encoding="utf-8")))]
        found = {text if text in files else text.rpartition(".")[0] for text in targets}
        graph[name] = (found & files.keys()) - {name}
    reached = {name: reachable(graph, name) for name in graph}
    groups = {frozenset(other for other in reached[name] if name in reached[other]) for name in graph}
    return [set(group) for group in groups if len(group) > 1]


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """Everything that a module imports, directly or through others."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for target in graph[waiting.pop()] - seen:
            seen.add(target)
            waiting.append(target)
    return seen


def mirrored(root: Path) -> tuple[int, int]:
    """Folders of `bench` that have a folder of the same name in `tests/bench`, and all of them."""
    folders = [path for path in (root / "bench").iterdir() if path.is_dir() and path.name != "__pycache__"]
    return sum((root / "tests" / "bench" / folder.name).is_dir() for folder in folders), len(folders)


def files_with(root: Path, word: str) -> int:
    """Source files in which a word occurs as an identifier."""
    return sum(bool(re.search(rf"\b{word}\b", path.read_text(encoding="utf-8"))) for path in sources(root, *PACKAGES))


def functions(root: Path) -> list[str]:
    """Every public function of the source tree as `path: name`, methods as `path: Class.name`."""
    found = []
    for path in sources(root, *PACKAGES):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            inner = node.body if isinstance(node, ast.ClassDef) else [node]
            owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
            names = [item.name for item in inner if isinstance(item, ast.FunctionDef)]
            public = [f"{owner}{name}" for name in names if not name.startswith("_") and not owner.startswith("_")]
            found += [f"{path.relative_to(root)}: {name}" for name in public]
    return found


def figures(root: Path) -> dict[str, object]:
    """The rows of the table by their title."""
    names, using = private_imports(sources(root, *PACKAGES), root)
    same, folders = mirrored(root)
    return {
        "files directly in bench/": len(list((root / "bench").glob("*.py"))),
        "names imported across packages from _private modules, source": f"{names} in {using} files",
        "names imported across packages from _private modules, tests": private_imports(sources(root, "tests"), root)[0],
        "import cycles between files": len(import_cycles(root)),
        f"source files that mention the run option `{RUN_OPTION}`": files_with(root, RUN_OPTION),
        "source lines": sum(len(path.read_text(encoding="utf-8").splitlines()) for path in sources(root, *PACKAGES)),
        "folders of bench with a test folder": f"{same} of {folders}",
    }


def main() -> None:
    """Print the table, and with --names the functions to look for."""
    parser = argparse.ArgumentParser(prog="python -m tools.house_figures", description="Measure a source tree.")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--names", type=int, metavar="SEED", help=f"print {SAMPLE} functions drawn with this seed")
    given = parser.parse_args()
    lines = [f"| {title} | {value} |" for title, value in figures(given.root).items()]
    if given.names is not None:
        lines += ["", *random.Random(given.names).sample(functions(given.root), SAMPLE)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
