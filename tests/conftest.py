"""Shared test settings."""

from __future__ import annotations

import gc
import math
import os
import shutil
import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chromium import Page

# Many processes import the same code, so its compiled files are kept; git ignores them.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    sys.dont_write_bytecode = False

# A thread that waits for others sleeps, so that parallel test processes do not take each other's cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import parity_record
import places
import pytest
from hypothesis import HealthCheck, settings

from datasets_registry import DATASETS

# Beside other work an example may take any time.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

# Only the package's own datasets are tested, not those that a developer has added.
os.environ["ETL_BENCH_DATASETS"] = os.devnull


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """A test starts with one thread, whatever runs before it set: its matrices are too small for a second one."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(autouse=True)
def _frozen_heap() -> None:
    """Each run collects garbage, and need not look again at all that the tests before have imported."""
    if len(gc.get_objects()) > 20_000:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _nothing_shared_is_changed() -> Iterator[None]:
    """A file of tests leaves the catalogues of methods and datasets, and the shared tiny CLIP, as it found them."""
    datasets = set(DATASETS)
    methods = set(sys.modules["methods"].METHODS) if "methods" in sys.modules else None
    yield
    assert set(DATASETS) == datasets
    assert methods is None or set(sys.modules["methods"].METHODS) == methods
    shared = sys.modules.get("parity_kit")
    if shared is not None and shared.tiny_backbone.cache_info().currsize:
        backbone = shared.tiny_backbone()
        assert float(backbone.model.logit_scale) == pytest.approx(math.log(backbone.logit_scale), rel=1e-5)
        assert not backbone.model.training


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record-parity", action="store_true", help="write the measured parity of methods into the package"
    )


ADDITIONS = {
    "real_data": (places.REAL_DATA.is_dir(), f"there is no {places.REAL_DATA}; ETL_BENCH_SHARED names another"),
    "official_code": ("ETL_BENCH_OFFICIAL" in os.environ, "ETL_BENCH_OFFICIAL names no folder of the checkouts"),
}
"""Marks of tests that add to tests of generated data: whether their data exist, and what is missing."""


PORTABLE = (
    "bench/analysis/metrics",
    "bench/experiment/test_evaluation.py",
    "bench/experiment/test_training_loop.py",
    "bench/results/test_stored_files.py",
    "bench/sweep/launch/test_claims.py",
    "bench/sweep/launch/test_retries.py",
    "methods/_parts",
    "methods/_text",
    "methods/test_parity",
)
"""Beginnings of the paths of tests that get the mark `portable`: those with bounds of rounding, and of processes."""


NEEDED = {"only_tab": "browser", "needs_compiler": "compiler"}
"""Fixtures that skip where a program is not installed, with the mark that their tests get."""

PROGRAMS = {
    "no browser": ("Chromium", "chromium"), "needs a C++ compiler": ("a C++ compiler", "g++"), "no git": ("git", "git"),
}  # fmt: skip
"""By words of the reason why a test is skipped: the program that it needs, and its package in Debian and Ubuntu."""


@pytest.fixture(scope="session")
def only_tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A tab of a headless browser, the same for all files, since a browser takes seconds to start."""
    from chromium import browser

    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def tab(only_tab: Page) -> Page:
    """The tab, with scripts, on a bright screen, whatever the test before has left."""
    only_tab.reset()
    return only_tab


@pytest.fixture(scope="session")
def git_installed() -> None:
    """A test that makes a checkout."""
    if shutil.which("git") is None:
        pytest.skip("no git")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Nothing that collecting makes is garbage, so looking for it is a waste of seconds in each worker."""
    gc.disable()
    result = yield
    gc.enable()
    return result


def pytest_itemcollected(item: pytest.Item) -> None:
    for fixture, mark in NEEDED.items():
        if fixture in getattr(item, "fixturenames", ()):
            item.add_marker(mark)
    place = item.path.relative_to(places.ROOT / "tests").as_posix() if item.path.is_relative_to(places.ROOT) else ""
    if place.startswith(PORTABLE):
        item.add_marker("portable")


def pytest_report_header() -> list[str]:
    return [f"tests marked {mark} are left out: {why}" for mark, (there, why) in ADDITIONS.items() if not there]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    absent = {mark for mark, (there, _) in ADDITIONS.items() if not there}
    left_out = [item for item in items if absent & {mark.name for mark in item.iter_markers()}]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not absent & {mark.name for mark in item.iter_markers()}]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say in one sentence which programs were not found, how many tests that left out, and how to get them."""
    reasons = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())]
    absent = {words: sum(words in reason for reason in reasons) for words in PROGRAMS}
    absent = {words: tests for words, tests in absent.items() if tests}
    if absent:
        counted = ", ".join(f"{tests} tests that need {PROGRAMS[words][0]}" for words, tests in absent.items())
        packages = " ".join(PROGRAMS[words][1] for words in absent)
        terminalreporter.write_line(f"Left out: {counted}. To run them too: sudo apt install {packages}")


def pytest_configure(config: pytest.Config) -> None:
    parity_record.recording = config.getoption("--record-parity")
    if parity_record.recording and (config.getoption("numprocesses", None) or hasattr(config, "workerinput")):
        raise pytest.UsageError("--record-parity collects its numbers in one process; run it without --numprocesses.")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if parity_record.recording and exitstatus == pytest.ExitCode.OK:
        parity_record.write()
