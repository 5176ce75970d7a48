"""Print the measurements of decisions 7 and 8 for a source tree: `python -m tools.house_figures [ROOT] [--names SEED]`.

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


def import_lines(root: Path) -> tuple[int, int]:
    """Lines of import statements, with their continuation lines, and all lines."""
    imports = lines = 0
    for path in sources(root, *PACKAGES):
        text = path.read_text(encoding="utf-8")
        lines += len(text.splitlines())
        found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
        imports += len({line for node in found for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)})
    return imports, lines


def rooms(root: Path) -> dict[str, set[str]]:
    """The folders and loose files of `bench`, each with those that it imports, also inside functions.

    A name from a door (`bench.results`) counts as the room. Imports for type checkers do not count.
    """
    found: dict[str, set[str]] = {}
    for path in sources(root, "bench"):
        parts = module_name(path, root).split(".")
        room = parts[1] if len(parts) > 1 else "__init__"
        targets = found.setdefault(room, set())
        for text in imported(ast.parse(path.read_text(encoding="utf-8"))):
            first, _, rest = text.partition(".")
            if first == "bench" and (target := _room_of(root, rest)) != room:
                targets.add(target)
    return found


def _room_of(root: Path, name: str) -> str:
    """The room of a dotted name below `bench`; a name of `bench` itself belongs to its `__init__`."""
    first = name.partition(".")[0]
    here = root / "bench"
    return first if first and ((here / first).is_dir() or (here / f"{first}.py").is_file()) else "__init__"


def floors(graph: dict[str, set[str]]) -> int:
    """The number of floors if each room stands above all that it imports.

    Raises:
        ValueError: rooms import one another in a circle.
    """
    height: dict[str, int] = {}
    while len(height) < len(graph):
        ready = [room for room in graph.keys() - height.keys() if graph[room] <= height.keys()]
        if not ready:
            raise ValueError(f"These rooms import one another: {', '.join(sorted(graph.keys() - height.keys()))}.")
        height |= {room: 1 + max((height[target] for target in graph[room]), default=0) for room in ready}
    return max(height.values(), default=0)


def run_options(root: Path) -> int:
    """Options of `etl-bench run`, as the reference page of the commands lists them; 0 without this page."""
    page = root / "docs" / "reference" / "commands.md"
    if not page.is_file():
        return 0
    section = re.search(r"^#+ `etl-bench run`$(.*?)^#+ `etl-bench ", page.read_text(encoding="utf-8"), re.M | re.S)
    return len(re.findall(r"^\| `-", section.group(1), re.M)) if section else 0


def figures(root: Path) -> dict[str, object]:
    """The rows of the table by their title."""
    names, using = private_imports(sources(root, *PACKAGES), root)
    same, folders = mirrored(root)
    graph = rooms(root)
    imports, lines = import_lines(root)
    lengths = sorted(len(path.read_text(encoding="utf-8").splitlines()) for path in sources(root, *PACKAGES))
    return {
        "rooms of bench": len(graph),
        "floors of bench": floors(graph),
        "imports between rooms of bench": sum(map(len, graph.values())),
        "import lines, share of all lines": f"{100 * imports / lines:.1f} %",
        "source files": len(lengths),
        "length of a source file, median": lengths[len(lengths) // 2],
        "source files under 40 lines": sum(length < 40 for length in lengths),
        "options of run": run_options(root),
        "files directly in bench/": len(list((root / "bench").glob("*.py"))),
        "names imported across packages from _private modules, source": f"{names} in {using} files",
        "names imported across packages from _private modules, tests": private_imports(sources(root, "tests"), root)[0],
        "import cycles between files": len(import_cycles(root)),
        f"source files that mention the run option `{RUN_OPTION}`": files_with(root, RUN_OPTION),
        "source lines": lines,
        "source lines of bench and reports": sum(
            len(path.read_text(encoding="utf-8").splitlines()) for path in sources(root, "bench", "reports")
        ),
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
