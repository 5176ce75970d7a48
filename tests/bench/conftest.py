"""Commands as a person calls them, in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from bench.cli.app import main

Etl = Callable[..., tuple[int, str, str]]


@pytest.fixture
def etl(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Etl:
    """Run a command; gives exit code, stdout, stderr. Any exception but SystemExit fails the test."""

    def etl(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["etl-bench", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return etl
