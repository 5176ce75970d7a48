"""Commands as a person calls them, in this process, training steps, and runs that are cut off."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from bench.cli.app import main
from bench.context import RunContext
from bench.spec import ExperimentSpec
from datasets_registry import DATASETS

Etl = Callable[..., tuple[int, str, str]]


@pytest.fixture
def etl(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Etl:
    """Run a command; gives exit code, stdout, stderr. Any exception but SystemExit fails the test.

    Datasets that the command adds to the catalogue of this process are removed from it again.
    """

    def etl(*arguments: object) -> tuple[int, str, str]:
        known = set(DATASETS)
        monkeypatch.setattr(sys, "argv", ["etl-bench", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        for name in set(DATASETS) - known:
            DATASETS.remove(name)
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return etl


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The training steps that are carried out."""
    from bench.experiment import training_loop

    taken: list[object] = []
    step = training_loop.train_step
    monkeypatch.setattr(training_loop, "train_step", lambda *given: (taken.append(given[0]), step(*given))[1])
    return taken


@pytest.fixture
def cut_off(monkeypatch: pytest.MonkeyPatch) -> Callable[[ExperimentSpec, RunContext, int], None]:
    """Carry out a run and interrupt it where it requests the views of an epoch (0-based)."""
    from bench.experiment import runner
    from bench.experiment.features import training_images

    real = training_images.views_for_epoch

    def cut_off(spec: ExperimentSpec, context: RunContext, at: int) -> None:
        def die(recipe: Any, seed: int, epoch: int) -> Any:
            if epoch == at:
                raise KeyboardInterrupt
            return real(recipe, seed, epoch)

        with monkeypatch.context() as patched:
            patched.setattr(training_images, "views_for_epoch", die)
            with pytest.raises(KeyboardInterrupt):
                runner.run_experiment(spec, context)

    return cut_off
