"""Print the measurements of decisions 7 and 8 for a source tree: `python -m tools.house_figures [ROOT] [--names SEED]`.

Counted are the files below `bench`, `methods`, `datasets_registry` and `reports`, and those below `tests` where the row
says so. `--names` also prints fifteen functions drawn at random, with which a reader can test whether the names of
folders and files lead to them. `--cases` also collects the test cases, which takes a minute. `--budget` only rewrites
the lines that each folder may have, in `tests/budget.toml`.
"""

from __future__ import annotations

import argparse
import ast
import random
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("bench", "methods", "datasets_registry", "reports")
SAMPLE = 15
RUN_OPTION = "curve"
BUDGET = Path("tests", "budget.toml")
BUDGET_HEAD = """\
# The lines that each folder may have (.py, .pyi, .js, .css, .j2).
# A commit that frees lines lowers the number: `python -m tools.house_figures --budget` writes today's.
# One that needs more takes them from its own folder, or writes the reason behind the number: "folder" = 100  # why\
"""
COUNTED = (".py", ".pyi", ".js", ".css", ".j2")
WORD, PROSE = re.compile("[A-Za-z]{2}"), 5
FEW_LINES = 40


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

    A name from a door (`bench.results`) counts as the room. Imports for type checkers do not count. Extensions are left
    out: each may import any room, and no room imports one.
    """
    found: dict[str, set[str]] = {}
    for path in sources(root, "bench"):
        parts = module_name(path, root).split(".")
        room = parts[1] if len(parts) > 1 else "__init__"
        if room == "extensions":
            continue
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


def options(root: Path) -> dict[str, list[str]]:
    """The options of each command, as the reference page of the commands lists them; empty without this page."""
    page = root / "docs" / "reference" / "commands.md"
    if not page.is_file():
        return {}
    sections = re.split(r"^## `etl-bench (.*?)`$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    rows = (re.findall(r"^\| (`-.*?) \| ", text, re.MULTILINE) for text in sections[2::2])
    return dict(zip(sections[1::2], map(list, rows), strict=True))


def option_names(root: Path) -> set[str]:
    """Distinct long names of the options of all commands."""
    return {name for rows in options(root).values() for row in rows for name in re.findall(r"`(--[\w-]+)`", row)}


def writings(root: Path) -> float:
    """How often an option of a command is written in `bench.cli` and `bench.api`: as a parameter or in a call."""
    written = 0
    names = {name.removeprefix("--").replace("-", "_") for name in option_names(root)}
    for path in sources(root, "bench/cli", "bench/api"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            written += isinstance(node, ast.arg | ast.keyword) and node.arg in names
    return written / max(sum(map(len, options(root).values())), 1)


def function_lengths(root: Path) -> list[int]:
    """Lines of each function from `def` to its end, decorators left out, ascending."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in sources(root, *PACKAGES))
    found = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return sorted((node.end_lineno or node.lineno) - node.lineno + 1 for node in found)


def door(root: Path, folder: str) -> int:
    """Public names of a package or room; 0 without a door."""
    stub = root / folder / "__init__.pyi"
    tree = ast.parse(stub.read_text(encoding="utf-8") if stub.is_file() else "")
    return sum(len(node.names) for node in tree.body if isinstance(node, ast.ImportFrom))


def repeated_names(root: Path) -> list[str]:
    """Public functions and classes of modules whose name several files define."""
    found: Counter[str] = Counter()
    for path in sources(root, *PACKAGES):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        found.update({node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)})
    return sorted(name for name, files in found.items() if files > 1 and not name.startswith("_"))


def prose_in_tests(root: Path) -> tuple[int, int]:
    """Test functions that contain a text of five or more words beside their docstring, and all of them."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in sources(root, "tests"))
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    tests = [node for node in nodes if node.name.startswith("test_")]
    return sum(_has_prose(test.body[ast.get_docstring(test) is not None :]) for test in tests), len(tests)


def _has_prose(body: list[ast.stmt]) -> bool:
    constants = (child.value for child in ast.walk(ast.Module(body, [])) if isinstance(child, ast.Constant))
    texts = (constant.split() for constant in constants if isinstance(constant, str))
    return any(sum(bool(WORD.search(word)) for word in words) >= PROSE for words in texts)


def cases(root: Path) -> int:
    """The test cases that pytest collects."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return sum("::" in line for line in done.stdout.splitlines())


def lines_of(path: Path) -> int:
    """Lines of a text file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def counted_lines(root: Path) -> dict[str, int]:
    """Lines of each room of `bench` and of the other folders: Python, stubs, JavaScript, CSS and templates."""
    found: Counter[str] = Counter()
    for top in (*PACKAGES, "tests", "tools"):
        for path in (root / top).rglob("*"):
            if path.suffix in COUNTED and path.is_file() and "__pycache__" not in path.parts:
                folder = path.relative_to(root).parent.parts
                found["/".join(folder[:2]) if top == "bench" else top] += lines_of(path)
    return dict(sorted(found.items()))


def write_budget(root: Path) -> None:
    """Allow each folder the lines that it has now. The reason behind a number stays."""
    path = root / BUDGET
    reasons = dict(re.findall(r'^"(.*?)" = \d+(.*)$', path.read_text(encoding="utf-8"), re.MULTILINE))
    rows = [f'"{folder}" = {lines}{reasons.get(folder, "")}' for folder, lines in counted_lines(root).items()]
    path.write_text("\n".join([BUDGET_HEAD, *rows]) + "\n", encoding="utf-8")


def figures(root: Path) -> dict[str, object]:
    """The rows of the table by their title."""
    names, using = private_imports(sources(root, *PACKAGES), root)
    same, folders = mirrored(root)
    graph = rooms(root)
    imports, lines = import_lines(root)
    files, spans = sorted(map(lines_of, sources(root, *PACKAGES))), function_lengths(root)
    prose, tests = prose_in_tests(root)
    mean, median, p95 = statistics.fmean(spans), statistics.median(spans), spans[int(0.95 * len(spans))]
    return {
        "rooms of bench": len(graph),
        "floors of bench": floors(graph),
        "imports between rooms of bench": sum(map(len, graph.values())),
        "import lines, share of all lines": f"{100 * imports / lines:.1f} %",
        "source files": len(files),
        "length of a source file, median": files[len(files) // 2],
        "source files under 40 lines": sum(length < FEW_LINES for length in files),
        "options of run": len(options(root).get("run", ())),
        "distinct options of all commands": len(option_names(root)),
        "times an option of a command is written in bench/cli and bench/api": f"{writings(root):.1f}",
        "lines of a function, mean / median / p95": f"{mean:.1f} / {median:.0f} / {p95}",
        "public names of analysis, api, datasets_registry": " / ".join(
            str(door(root, folder)) for folder in ("bench/analysis", "bench/api", "datasets_registry")
        ),
        "public functions and classes whose name several files define": len(repeated_names(root)),
        "test functions with a text of five or more words": f"{prose} of {tests}",
        "files directly in bench/": len(list((root / "bench").glob("*.py"))),
        "names imported across packages from _private modules, source": f"{names} in {using} files",
        "names imported across packages from _private modules, tests": private_imports(sources(root, "tests"), root)[0],
        "import cycles between files": len(import_cycles(root)),
        f"source files that mention the run option `{RUN_OPTION}`": files_with(root, RUN_OPTION),
        "source lines": lines,
        "source lines of bench and reports": sum(map(lines_of, sources(root, "bench", "reports"))),
        "of which in bench/extensions": sum(map(lines_of, sources(root, "bench/extensions"))),
        "lines of tests, of tools": " / ".join(
            str(sum(map(lines_of, sources(root, one)))) for one in ("tests", "tools")
        ),
        "folders of bench with a test folder": f"{same} of {folders}",
    }


def main() -> None:
    """Print the table, and with --names the functions to look for."""
    parser = argparse.ArgumentParser(prog="python -m tools.house_figures", description="Measure a source tree.")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--names", type=int, metavar="SEED", help=f"print {SAMPLE} functions drawn with this seed")
    parser.add_argument("--cases", action="store_true", help="also collect the test cases, which takes a minute")
    parser.add_argument("--budget", action="store_true", help=f"only write today's lines into {BUDGET}")
    given = parser.parse_args()
    if given.budget:
        write_budget(given.root)
        return
    lines = [f"| {title} | {value} |" for title, value in figures(given.root).items()]
    lines += [f"| test cases | {cases(given.root)} |"] if given.cases else []
    if given.names is not None:
        lines += ["", *random.Random(given.names).sample(functions(given.root), SAMPLE)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
