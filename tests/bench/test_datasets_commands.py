"""The commands about datasets, as a person calls them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_datasets import draw_dataset

from bench.cli.app import main

Etl = Callable[..., tuple[int, str, str]]


@pytest.fixture
def etl(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Etl:
    """Run a command in this process, in an empty folder; gives exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def etl(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["etl-bench", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return etl


# --- show -------------------------------------------------------------------------------------------------------------


def test_the_bare_command_and_a_name_mean_show(etl: Etl, tmp_path: Path) -> None:
    draw_dataset(tmp_path, "eurosat")
    assert etl("datasets") == etl("datasets", "show")
    assert etl("datasets", "--json") == etl("datasets", "show", "--json")
    shown = etl("datasets", "show", "eurosat", "--data-root", str(tmp_path), "--json")
    assert json.loads(shown[1])["train_images"] == 12
    assert etl("datasets", "eurosat", "--data-root", str(tmp_path), "--json") == shown
    assert etl("datasets", "--data-root", str(tmp_path), "--json", "eurosat") == shown


def test_help_of_the_group_lists_its_commands(etl: Etl) -> None:
    code, out, _ = etl("datasets", "--help")
    assert code == 0
    assert "show" in out
