"""Mutation testing by a sample: change one operator, number or condition at a time, and run the tests beside the file.

`make mutants` draws mutants of the code in `MUTATED` by a fixed seed and fails if the tests notice too few of them.
With `--kind settings`, one published setting of a method is changed at a time. See `docs/mutation-testing.md`.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import settings_mutants

ROOT = Path(__file__).resolve().parents[2]
MUTATED = {
    "bench/analysis/metrics": "tests/bench/analysis/metrics",
    "bench/analysis/statistics": "tests/bench/analysis/statistics",
    "bench/analysis": "tests/bench/analysis",
    "bench/papers": "tests/bench/papers",
    "bench/results": "tests/bench/results",
    "datasets_registry/_custom": "tests/datasets_registry/_custom",
    "datasets_registry/_doctor": "tests/datasets_registry/_doctor",
    "datasets_registry/_download": "tests/datasets_registry/_download",
    "datasets_registry/_draws": "tests/datasets_registry/_draws",
    "datasets_registry/_readers": "tests/datasets_registry/_readers",
    "methods/_parts/apex_parts.py": "tests/methods/_parts/test_apex_parts.py",
}
"""Folders and files of mutated code, with the tests that must notice."""
GOAL = 0.75
"""Share of mutants of any seed that the tests must notice; about 82 % are noticed."""
TIME_LIMIT = 240.0
"""Seconds of the tests of one mutant. Mutants that never end are noticed too."""

LARGE_LIBRARIES = ("torch", "pandas", "scipy.stats", "sklearn", "duckdb", "pydantic", "PIL.Image", "pytest")
"""Loaded once, before the process is forked for each mutant."""

COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"),
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "*"), ast.Pow: ("**", "*"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"),
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}


@dataclass(frozen=True)
class Mutant:
    """One changed place of a file: the characters `start` to `end` become `new`."""

    file: str
    line: int
    start: int
    end: int
    old: str
    new: str

    def applied(self, source: bytes) -> bytes:
        """The source with this change."""
        return source[: self.start] + self.new.encode() + source[self.end :]

    def rank(self, seed: int, source: bytes) -> bytes:
        """Orders mutants at random; a mutant keeps its rank when other lines of the file change."""
        code = source.splitlines()[self.line - 1].decode()
        column = self.start - source.rfind(b"\n", 0, self.start)
        return hashlib.sha256(f"{seed}|{self.file}|{code}|{column}|{self.old}|{self.new}".encode()).digest()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.old!r} -> {self.new!r}"


@dataclass(frozen=True)
class Kind:
    """What is changed, and which tests must notice.

    Args:
        files: names the files.
        mutants: gives all mutants of a file, from its name and its source.
        tests: gives the paths of tests for a file.
        all_tests: the same for folders and files; they must pass without a mutant.
        before: runs before the tests, in the changed copy; None: nothing.
        goal: share of mutants of any seed that the tests must notice.
    """

    files: Callable[[], list[str]]
    mutants: Callable[[str, bytes], list[Mutant]]
    tests: Callable[[str], list[str]]
    all_tests: Mapping[str, list[str]]
    before: Callable[[], None] | None
    goal: float


def offsets_of_lines(source: bytes) -> list[int]:
    """Where each line begins."""
    offsets = [0]
    for line in source.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    return offsets


def mutants_of_settings(file: str, source: bytes) -> list[Mutant]:
    """All mutants of the settings in a file."""
    offsets, found = offsets_of_lines(source), []
    for node, new in settings_mutants.changes(source):
        start = offsets[node.lineno - 1] + node.col_offset
        end = offsets[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        found.append(Mutant(file, node.lineno, start, end, source[start:end].decode(), new))
    return found


def mutants_of(file: str, source: bytes) -> list[Mutant]:
    """All mutants of a file. Annotations, decorators, texts, imports and the messages of errors are not changed."""
    offsets = offsets_of_lines(source)

    def begin(node: ast.expr) -> int:
        return offsets[node.lineno - 1] + node.col_offset

    def finish(node: ast.expr) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return offsets[node.end_lineno - 1] + node.end_col_offset

    def between(left: ast.expr, right: ast.expr, old: str, new: str) -> Mutant:
        start = source.index(old.encode(), finish(left), begin(right))
        return Mutant(file, left.end_lineno or 0, start, start + len(old), old, new)

    def replaced(node: ast.expr, new: str) -> Mutant:
        old = source[begin(node) : finish(node)].decode()
        return Mutant(file, node.lineno, begin(node), finish(node), old, new)

    found: list[Mutant] = []
    for node in _mutable_nodes(ast.parse(source)):
        match node:
            case ast.Compare():
                for left, operator, right in zip(
                    [node.left, *node.comparators], node.ops, node.comparators, strict=False
                ):
                    found.append(between(left, right, *COMPARISONS[type(operator)]))
            case ast.BinOp() if type(node.op) in ARITHMETIC:
                found.append(between(node.left, node.right, *ARITHMETIC[type(node.op)]))
            case ast.BoolOp():
                old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in zip(node.values, node.values[1:], strict=False):
                    found.append(between(left, right, old, new))
            case ast.UnaryOp(op=ast.Not() | ast.USub()):
                found.append(replaced(node, source[begin(node.operand) : finish(node.operand)].decode()))
            case ast.Constant(value=bool()):
                found.append(replaced(node, str(not node.value)))
            case ast.Constant(value=int() | float()):
                found.append(replaced(node, repr(node.value + 1)))
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                found.append(replaced(node.func, CALLS[name]))
            case ast.If() | ast.IfExp():
                condition = source[begin(node.test) : finish(node.test)].decode()
                found.append(replaced(node.test, f"(not ({condition}))"))
            case ast.comprehension():
                found += [replaced(condition, "True") for condition in node.ifs]
    return found


def _mutable_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(tree):
        if name in {"annotation", "returns", "decorator_list"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            is_code = isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr | ast.Raise | ast.Assert)
            if is_code and not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
                yield child
                yield from _mutable_nodes(child)


def sample(count: int, seed: int, kind: Kind) -> list[Mutant]:
    """`count` mutants, spread evenly over the files: each file's lowest rank first, then each one's second, ..."""
    queues = []
    for file in sorted(kind.files(), key=lambda file: hashlib.sha256(f"{seed}|{file}".encode()).digest()):
        source = (ROOT / file).read_bytes()
        queues.append(sorted(kind.mutants(file, source), key=lambda mutant, source=source: mutant.rank(seed, source)))
    rounds = [queue[i] for i in range(max(map(len, queues))) for queue in queues if i < len(queue)]
    return rounds[:count]


def mutated_files() -> list[str]:
    """All files of mutated code."""
    found = [
        path for code in MUTATED for path in ([ROOT / code] if code.endswith(".py") else (ROOT / code).rglob("*.py"))
    ]
    return sorted({path.relative_to(ROOT).as_posix() for path in found})


def paths_of_tests(file: str) -> list[str]:
    """Test paths for a file: those of the same name first, since they notice most."""
    folder = MUTATED[max((code for code in MUTATED if file.startswith(code)), key=len)]
    own = ROOT / folder / f"test_{Path(file).stem}.py"
    return [own.relative_to(ROOT).as_posix(), folder] if own.is_file() else [folder]


KINDS = {
    "code": Kind(
        files=mutated_files,
        mutants=mutants_of,
        tests=paths_of_tests,
        all_tests={code: [tests] for code, tests in MUTATED.items()},
        before=None,
        goal=GOAL,
    ),
    "settings": Kind(
        files=settings_mutants.files,
        mutants=mutants_of_settings,
        tests=lambda _: settings_mutants.TESTS,
        all_tests={"methods": settings_mutants.TESTS},
        before=settings_mutants.write_facts,
        goal=settings_mutants.GOAL,
    ),
}
"""What `--kind` chooses."""


def is_noticed(mutant: Mutant, tree: Path, log: Path, kind: Kind) -> bool:
    """Whether a test fails, or does not end, with this mutant in the copy of the repository at `tree`."""
    target = tree / mutant.file
    source = target.read_bytes()
    target.write_bytes(mutant.applied(source))
    try:
        return run_tests(kind.tests(mutant.file), tree, log, kind.before) != 0
    finally:
        target.write_bytes(source)


def run_tests(paths: list[str], tree: Path, log: Path, before: Callable[[], None] | None = None) -> int:
    """Run `before`, then tests, each in a fork of this process, which has loaded the large libraries.

    Gives the first exit code that is not 0, 1 if late.
    """
    return (exit_code(before, tree, log) if before else 0) or exit_code(lambda: _pytest(paths), tree, log)


def exit_code(job: Callable[[], int | None], tree: Path, log: Path) -> int:
    """The exit code of a job in a fork of this process, with the modules of `tree`; 1 if it is late."""
    process = multiprocessing.get_context("fork").Process(target=_in_copy, args=(job, tree, log))
    process.start()
    process.join(TIME_LIMIT)
    if process.is_alive():
        process.kill()
        process.join()
        return 1
    assert process.exitcode is not None
    return process.exitcode


def _in_copy(job: Callable[[], int | None], tree: Path, log: Path) -> None:
    os.chdir(tree)
    sys.dont_write_bytecode = True  # a mutant of the same size and second would load another one's bytecode
    sys.path[:] = [str(tree), *(entry for entry in sys.path if Path(entry or ".").resolve() != ROOT)]
    with log.open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        code = job() or 0
        output.flush()
    os._exit(code)


def _pytest(paths: list[str]) -> int:
    import pytest

    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *paths]))


def copy_of_repository(place: Path) -> Path:
    """The repository's files, without its history and environment."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    return place


def main() -> int:
    """Print each mutant with its outcome; exit code 1 if fewer than the goal are noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, default="code", help="what is changed")
    parser.add_argument("--count", type=int, default=80, help="number of mutants")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--only", default="", help="test only mutants whose line of the output contains this text")
    options = parser.parse_args()
    kind = KINDS[options.kind]
    drawn = [mutant for mutant in sample(options.count, options.seed, kind) if options.only in str(mutant)]
    if not drawn:
        sys.exit(f"No mutant of the sample contains {options.only!r}; leave --only out to see all.")
    for name in LARGE_LIBRARIES:
        importlib.import_module(name)
    survivors = []
    with tempfile.TemporaryDirectory() as temporary:
        tree, log = copy_of_repository(Path(temporary) / "tree"), Path(temporary) / "log"
        for code, tests in kind.all_tests.items():
            begins = any(mutant.file.startswith(code) for mutant in drawn)
            if begins and run_tests(tests, tree, log, kind.before):
                sys.exit(f"{log.read_text()}\nThe tests of {code} fail without a mutant; correct them first.")
        for mutant in drawn:
            start = time.perf_counter()
            noticed = is_noticed(mutant, tree, log, kind)
            survivors += [] if noticed else [mutant]
            _say(f"{'noticed ' if noticed else 'SURVIVED'} {mutant} ({time.perf_counter() - start:.0f} s)")
    share = 1 - len(survivors) / len(drawn)
    _say(
        f"{len(drawn) - len(survivors)} of {len(drawn)} mutants were noticed: {share:.1%}; the goal is {kind.goal:.0%}."
    )
    return int(share < kind.goal)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
