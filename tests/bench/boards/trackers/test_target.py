"""Names of trackers, and a package that is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import TrackerError, UsageError
from bench.sweep.tracker_target import Kind, Target, check_installed

Etl = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("mlflow", Target(Kind.MLFLOW)),
        ("mlflow:http://me@host:5000/at@", Target(Kind.MLFLOW, "http://me@host:5000/at@")),
        ("mlflow:sqlite:///a:b.db", Target(Kind.MLFLOW, "sqlite:///a:b.db")),
        ("wandb:lab/clip", Target(Kind.WANDB, "lab/clip")),
        ("trackio:clip", Target(Kind.TRACKIO, "clip")),
    ],
)
def test_a_name_is_read_and_written(text: str, target: Target) -> None:
    assert Target.parse(text) == target
    assert str(target) == text


@pytest.mark.parametrize("text", ["", "neptune", "MLflow", "mlflow=x"])
def test_an_unknown_tracker_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is unknown\. Allowed: mlflow\[:URI\], wandb\[:PROJECT\], trackio\[:PROJ"):
        Target.parse(text)


@pytest.mark.parametrize("uri", ["http://me:secret@host:5000", "postgresql://me:secret@host/db"])
def test_a_password_is_refused_and_not_shown(uri: str) -> None:
    with pytest.raises(
        UsageError, match="holds a password, which the sweep file would keep. Set MLFLOW_TRACK"
    ) as error:
        Target.parse(f"mlflow:{uri}")
    assert "secret" not in str(error.value)


def test_a_folder_of_offline_runs_is_not_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(TrackerError, match="needs the package wandb, which is not installed"):
        check_installed([Target(Kind.WANDB)])


@pytest.mark.parametrize("kind", list(Kind))
def test_a_missing_package_is_named_before_any_work(
    kind: Kind, etl: Etl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("bench.sweep.tracker_target.find_spec", lambda _name: None)
    advice = f"needs the package {kind}, which is not installed; run `pip install 'clip-etl-bench[{kind}]'`."
    with pytest.raises(TrackerError) as error:
        check_installed([Target(kind)])
    assert advice in str(error.value)
    run = ["run", "-m", "zero_shot", "-d", "spectrum_basic", "--runs", str(tmp_path / "new"), "--tracker", kind]
    code, _, err = etl(*run)
    assert code == 2
    assert err.strip().splitlines() == [f"error: The tracker {kind} {advice}"]
    assert not (tmp_path / "new").exists()
    assert etl("export", "send", kind, "--runs", str(tmp_path / "new"))[0] == 2
