"""Names of trackers, and a package that is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.extensions.trackers import Sending, TrackerError
from bench.sweep import check_tracker

Etl = Callable[..., tuple[int, str, str]]


NAMES = ["mlflow", "wandb", "trackio"]


@pytest.mark.parametrize(
    "text",
    ["mlflow", "mlflow:http://me@host:5000/at@", "mlflow:sqlite:///a:b.db", "wandb:lab/clip", "trackio:clip"],
)
def test_a_name_with_a_place_is_known(text: str) -> None:
    assert check_tracker(text) == text
    assert check_tracker(f"{text.partition(':')[0]}:") == text.partition(":")[0]


@pytest.mark.parametrize("text", ["", "neptune", "MLflow", "mlflow=x"])
def test_an_unknown_tracker_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is unknown\. Allowed: mlflow\[:URI\], wandb\[:PROJECT\], trackio\[:PROJ"):
        check_tracker(text)


@pytest.mark.parametrize("uri", ["http://me:secret@host:5000", "postgresql://me:secret@host/db"])
def test_a_password_is_refused_and_not_shown(uri: str) -> None:
    with pytest.raises(UsageError, match="holds a password, which the sweep file would keep") as error:
        check_tracker(f"mlflow:{uri}")
    assert "secret" not in str(error.value)


def test_a_folder_of_offline_runs_is_not_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(TrackerError, match="needs the package wandb, which is not installed"):
        Sending(tmp_path, "wandb")


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_package_is_named_before_any_work(
    name: str, etl: Etl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("bench.extensions.trackers.sending.find_spec", lambda _name: None)
    advice = f"needs the package {name}, which is not installed; run `pip install 'clip-etl-bench[{name}]'`."
    run = ["run", "-m", "zero_shot", "-d", "spectrum_basic", "--runs", str(tmp_path / "new"), "--tracker", name]
    code, _, err = etl(*run)
    assert code == 2
    assert err.strip().splitlines() == [f"error: The tracker {name} {advice}"]
    assert not (tmp_path / "new").exists()
    assert etl("export", "send", name, "--runs", str(tmp_path / "new"))[0] == 2
