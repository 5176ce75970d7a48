"""Plant 100 mistakes, one at a time, and count how many the tests notice.

`python -m tools.planted_mistakes record` draws the mistakes by a seed, finds for each the tests that reach its line,
runs them until the first that fails, for at most 120 CPU seconds, and writes the outcomes to a file. `compare` plants
the mistakes of that file again, where their lines still exist, and fails if one is no longer noticed.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tools.planted_mistakes import settings
from tools.planted_mistakes.code import Mistake, mistakes_in_code, mistakes_in_settings

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("recorded.json")
KINDS = {
    "formulas": ("methods/*.py", "methods/_parts/*.py", "bench/analysis/metrics/*.py"),
    "settings": (),
    "statistics": ("bench/analysis/*.py", "bench/analysis/statistics/*.py"),
    "plans": ("bench/sweep/**/*.py",),
    "stores": ("bench/results/**/*.py",),
}
"""Which files each kind of mistake is planted in; settings name their own."""
CPU_SECONDS = 120.0
"""How long the tests of one mistake may compute."""
SECONDS_OF_A_TEST = 300
"""A test that takes longer has noticed the mistake: without one it takes far less."""
MOST_FAILING = 3
"""Tests of one mistake that may fail without it, before there is no verdict."""
WORKERS = 2
MOST_TESTS, NEAREST = 400, 40
"""Tests tried for one mistake, and those of them that are tried before the files of the others are collected."""
FAILED = "_planted_failed.txt"
"""Where the name of the test that failed stands in a copy."""
LARGE_LIBRARIES = ("torch", "pandas", "scipy.stats", "sklearn", "duckdb", "pydantic", "PIL.Image", "pytest")
"""Loaded once, before the process is forked for each mistake."""

REACHED = '''"""Writes which tests reach a planted line."""
import os

_written = set()


def hit(number):
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    folder = os.environ.get("PLANTED_REACHED")
    if test and folder and (number, test) not in _written:
        _written.add((number, test))
        file = os.open(os.path.join(folder, str(number)), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, (test + "\\n").encode())
        os.close(file)
'''


def main() -> int:
    """Carry out `record` or `compare`; the exit code is 1 if a mistake is no longer noticed."""
    parser = argparse.ArgumentParser(prog="python -m tools.planted_mistakes", description=__doc__)
    parser.add_argument("action", choices=["record", "compare"])
    parser.add_argument("--seed", type=int, default=1, help="of the sample (record)")
    parser.add_argument("--each", type=int, default=20, help="mistakes of each kind (record)")
    parser.add_argument("--file", type=Path, default=RECORD, help="where the outcomes stand")
    options = parser.parse_args()
    if options.action == "record":
        before: dict[Mistake, str] = {}
        drawn = [(kind, mistake) for kind in KINDS for mistake in sample(kind, options.each, options.seed)]
    else:
        recorded = json.loads(options.file.read_text(encoding="utf-8"))
        there = [(row, find_again(row)) for row in recorded["mistakes"]]
        before = {mistake: row["outcome"] for row, mistake in there if mistake}
        drawn = [(row["kind"], mistake) for row, mistake in there if mistake]
        _say(f"{len(recorded['mistakes']) - len(drawn)} of {len(recorded['mistakes'])} lines no longer exist.")
    outcomes = try_all(drawn)
    worse = [mistake for mistake, outcome in before.items() if outcome == "noticed" != outcomes[mistake]]
    for kind in KINDS:
        of_kind = [outcomes[mistake] for drawn_kind, mistake in drawn if drawn_kind == kind]
        _say(f"{kind}: {of_kind.count('noticed')} of {len(of_kind)} noticed")
    if options.action == "record":
        rows = [recorded_row(kind, mistake, outcomes[mistake]) for kind, mistake in drawn]
        text = json.dumps({"seed": options.seed, "mistakes": rows}, indent=1) + "\n"
        options.file.write_text(text, encoding="utf-8")
    for mistake in worse:
        _say(f"NO LONGER NOTICED {mistake}")
    return int(bool(worse))


def sample(kind: str, count: int, seed: int) -> list[Mistake]:
    """`count` mistakes of a kind, spread evenly over its files."""
    if kind == "settings":
        files: Iterable[str] = settings.files()
    else:
        files = {path.relative_to(ROOT).as_posix() for pattern in KINDS[kind] for path in ROOT.glob(pattern)}
    queues = []
    for file in sorted(files, key=lambda file: hashlib.sha256(f"{seed}|{file}".encode()).digest()):
        source = (ROOT / file).read_bytes()
        mistakes = all_mistakes(kind, file, source)
        queues.append(sorted(mistakes, key=lambda mistake, source=source: mistake.rank(seed, source)))
    rounds = [queue[i] for i in range(max(map(len, queues))) for queue in queues if i < len(queue)]
    return rounds[:count]


def all_mistakes(kind: str, file: str, source: bytes) -> list[Mistake]:
    """All mistakes of a kind that can be planted in a file; formulas of methods are those inside functions."""
    if kind == "settings":
        return mistakes_in_settings(file, source)
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    inside = {line for node in functions for line in range(node.body[0].lineno, (node.end_lineno or 0) + 1)}
    return [mistake for mistake in mistakes_in_code(file, source) if mistake.line in inside]


def recorded_row(kind: str, mistake: Mistake, outcome: str) -> dict[str, Any]:
    """What finds a mistake again after other lines of its file have changed."""
    source = (ROOT / mistake.file).read_bytes()
    line = source.splitlines()[mistake.line - 1].decode()
    column = mistake.start - source.rfind(b"\n", 0, mistake.start)
    place = {"file": mistake.file, "line": line, "column": column, "old": mistake.old, "new": mistake.new}
    return {"kind": kind, **place, "outcome": outcome}


def find_again(row: dict[str, Any]) -> Mistake | None:
    """The recorded mistake in today's file; None if its file or its line is gone."""
    path = ROOT / row["file"]
    if not path.is_file():
        return None
    source = path.read_bytes()
    mistakes = all_mistakes(row["kind"], row["file"], source)
    return next((one for one in mistakes if recorded_row(row["kind"], one, row["outcome"]) == row), None)


def try_all(drawn: list[tuple[str, Mistake]]) -> dict[Mistake, str]:
    """Plant each mistake and give its outcome: `noticed`, `survived`, `not reached` by any test, or `no verdict`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tests = tests_that_reach([mistake for _, mistake in drawn], folder)
        trees = [copy_of_repository(folder / f"tree{worker}") for worker in range(WORKERS)]
        jobs = [(kind, mistake, nearest_first(tests[mistake], mistake.file)) for kind, mistake in drawn]
        context = multiprocessing.get_context("fork")
        answers: Any = context.Queue()
        for name in LARGE_LIBRARIES:
            __import__(name)
        workers = [
            context.Process(target=_try_share, args=(jobs[worker::WORKERS], tree, answers))
            for worker, tree in enumerate(trees)
        ]
        for process in workers:
            process.start()
        outcomes = {}
        for _ in jobs:
            mistake, outcome = answers.get()
            _say(f"{outcome:12}{mistake}")
            outcomes[mistake] = outcome
        for process in workers:
            process.join()
    return outcomes


def _try_share(jobs: list[tuple[str, Mistake, list[str]]], tree: Path, answers: Any) -> None:
    for kind, mistake, tests in jobs:
        if kind == "settings":
            tests = settings.TESTS
        outcome = "no verdict" if tests else "not reached"
        for _ in range(MOST_FAILING if tests else 0):
            failed = failing_test(mistake, tests, tree)
            if not failed or failed not in tests or exit_code(lambda failed=failed: _pytest([failed]), tree) == 0:
                outcome = "noticed" if failed else "survived"
                break
            tests = [test for test in tests if test != failed]  # it fails without the mistake, too
        answers.put((mistake, outcome))


def failing_test(mistake: Mistake, tests: list[str], tree: Path) -> str:
    """The first test that fails with this mistake in the copy of the repository at `tree`; empty if all pass.

    Where the tests cannot begin or do not end, it is named after that.
    """
    target, failed = tree / mistake.file, tree / FAILED
    source = target.read_bytes()
    target.write_bytes(mistake.applied(source))
    failed.unlink(missing_ok=True)
    try:
        started = _cpu_seconds_of_children()
        for chunk in (tests[:NEAREST], tests[NEAREST:]):  # few files are collected where the nearest tests notice
            left = CPU_SECONDS - (_cpu_seconds_of_children() - started)
            if not chunk or left <= 0:
                break
            if exit_code(lambda chunk=chunk, left=left: _pytest(chunk, left), tree):
                return failed.read_text() if failed.exists() else "the whole of the tests"
        return ""
    finally:
        target.write_bytes(source)


def _cpu_seconds_of_children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def exit_code(job: Callable[[], int | None], tree: Path) -> int:
    """The exit code of a job in a fork of this process, with the modules of `tree`."""
    process = multiprocessing.get_context("fork").Process(target=_in_copy, args=(job, tree))
    process.start()
    process.join(10 * CPU_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
    assert process.exitcode is not None
    return process.exitcode


def _in_copy(job: Callable[[], int | None], tree: Path) -> None:
    os.chdir(tree)
    os.environ["PYTHONPATH"] = str(tree)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # a mistake of the same size and second would load another's bytecode
    sys.dont_write_bytecode = True
    for name in [name for name in sys.modules if name.split(".")[0] == "tools"]:
        del sys.modules[name]
    sys.path[:] = [str(tree), *(entry for entry in sys.path if Path(entry or ".").resolve() != ROOT)]
    with (tree.parent / f"{tree.name}.log").open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        code = job() or 0
        output.flush()
    os._exit(code)


class _Watch:
    """Writes down the first test that fails, and ends the tests after their CPU seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.failed = False

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed = True
            Path(FAILED).write_text(report.nodeid)

    def pytest_runtest_logfinish(self) -> None:
        import pytest

        times = os.times()
        seconds = times.user + times.system + times.children_user + times.children_system
        if seconds > self.seconds and not self.failed:  # the exit code 0 would hide the failure
            pytest.exit("no more CPU seconds", returncode=0)


def _pytest(tests: list[str], seconds: float = CPU_SECONDS) -> int:
    import pytest

    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout", str(SECONDS_OF_A_TEST)]
    return int(pytest.main([*options, *tests], plugins=[_Watch(seconds)]))


def tests_that_reach(mistakes: list[Mistake], folder: Path) -> dict[Mistake, list[str]]:
    """The tests that execute the statement of each mistake, from one run of `make test` in a copy."""
    tree, reached = copy_of_repository(folder / "reach"), folder / "reached"
    reached.mkdir()
    (tree / "_planted_reached.py").write_text(REACHED)
    for file in {mistake.file for mistake in mistakes}:
        module = ast.parse((ROOT / file).read_bytes())
        placed = [(_statement(module, one.line), i) for i, one in enumerate(mistakes) if one.file == file]
        for place, number in placed:
            if place:
                body, statement = place
                call = ast.parse(f"__import__('_planted_reached').hit({number})").body[0]
                body.insert(body.index(statement), call)
        (tree / file).write_text(ast.unparse(ast.fix_missing_locations(module)))
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(WORKERS), "--dist", "worksteal", "-m", "not slow"]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PLANTED_REACHED": str(reached)}
    with (folder / "reach.log").open("w") as log:
        subprocess.run(command, cwd=tree, env=environment, stdout=log, stderr=log, check=False)
    _say((folder / "reach.log").read_text().splitlines()[-1])
    found = {}
    for i, mistake in enumerate(mistakes):
        lines = (reached / str(i)).read_text().splitlines() if (reached / str(i)).exists() else []
        found[mistake] = list(dict.fromkeys(lines))
    return found


def _statement(module: ast.Module, line: int) -> tuple[list[ast.stmt], ast.stmt] | None:
    """The innermost statement of a function at a line, with the list that holds it; None outside functions."""
    place = None
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        for node in ast.walk(function):
            for body in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
                for statement in body if isinstance(body, list) else []:
                    if statement.lineno <= line <= (statement.end_lineno or 0):
                        place = (body, statement)
    return place


def nearest_first(tests: list[str], file: str) -> list[str]:
    """Tests of the file of the same name first, then of the same folder, then others."""
    parts = Path(file)
    mirror = f"tests/{parts.parent.as_posix()}"

    def rank(test: str) -> tuple[bool, bool]:
        path = Path(test.split("::")[0])
        return path.stem != f"test_{parts.stem.strip('_')}", not path.as_posix().startswith(mirror)

    return sorted(tests, key=rank)[:MOST_TESTS]


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


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
