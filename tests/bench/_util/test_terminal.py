"""The width of a terminal, also of one that does not say how wide it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench._util.terminal import terminal_width


@pytest.mark.parametrize(("columns", "width"), [(0, 80), (132, 132)])
def test_a_terminal_of_width_0_has_the_default_width(monkeypatch: pytest.MonkeyPatch, columns: int, width: int) -> None:
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    monkeypatch.delenv("COLUMNS", raising=False)
    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, columns))
    with os.fdopen(controller, "wb", 0), os.fdopen(terminal, "w") as stream:
        assert terminal_width(stream) == width


def test_a_file_has_no_width(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w") as stream:
        assert terminal_width(stream) is None
