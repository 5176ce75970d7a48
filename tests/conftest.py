"""Shared test settings."""

from __future__ import annotations

import os

import parity_record
import pytest
import torch

# the tests' matrices are small: a second thread only waits for the first
torch.set_num_threads(1)

# the catalogue under test is the package's own, whatever datasets the developer has added for themselves
os.environ["ETL_BENCH_DATASETS"] = os.devnull


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record-parity", action="store_true", help="write the measured parity of methods into the package"
    )


def pytest_configure(config: pytest.Config) -> None:
    parity_record.recording = config.getoption("--record-parity")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if parity_record.recording and exitstatus == pytest.ExitCode.OK:
        parity_record.write()
