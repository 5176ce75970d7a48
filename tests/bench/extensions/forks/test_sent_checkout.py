"""Checkouts that are packed here and unpacked on another machine."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from fork_runs import planned, run_fork, trusted_fork
from stand_in_forks import make_fork

from bench.extensions.forks import OfficialCodeError, packed_checkout, run_official_code, unpack_checkout
from bench.extensions.forks.fork_folder import Fork
from bench.extensions.forks.sent_checkout import read_checkout


def test_an_unpacked_checkout_is_the_same_code(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork")
    (made / "scripts/train.sh").chmod(0o755)
    (made / "untracked.txt").write_text("stays here")
    (made / "train.py").write_text((made / "train.py").read_text() + "\n# changed\n")
    unpack_checkout(packed_checkout(made), tmp_path / "node" / "fork")
    here, there = Fork.read(made), read_checkout(tmp_path / "node" / "fork")
    for name in ("repository", "commit", "changed_files", "files", "empty_submodules", "tree", "trainers"):
        assert getattr(there, name) == getattr(here, name), name
    assert "train.py" in there.changed_files
    assert os.access(there.folder / "scripts/train.sh", os.X_OK)
    assert "untracked.txt" not in there.files


def test_equal_checkouts_are_packed_alike(tmp_path: Path) -> None:
    made = make_fork(tmp_path / "fork")
    first = packed_checkout(made)
    os.utime(made / "train.py", (0, 0))
    assert packed_checkout(made) == first


def test_a_checkout_that_is_there_already_is_kept(tmp_path: Path) -> None:
    content = packed_checkout(make_fork(tmp_path / "fork"))
    for _ in range(2):
        unpack_checkout(content, tmp_path / "node")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fork", "node"]


@pytest.mark.slow  # official code runs twice; test_fork_run.py runs it
def test_a_run_of_an_unpacked_checkout_gives_the_same_predictions(tmp_path: Path, data: Path) -> None:
    made = trusted_fork(tmp_path / "fork")
    spec, context = planned(made, data)
    unpack_checkout(packed_checkout(made), tmp_path / "node")
    tree = spec.config["tree"]
    there = context.model_copy(update={"files": {tree: tmp_path / "node"}})
    record, items = run_official_code(spec, there)
    _, expected = run_fork(made, data)
    np.testing.assert_allclose(items[0].true_logit, expected[items[0].split].true_logit, rtol=1e-5)
    assert record.provenance.external is not None
    assert record.provenance.external.commit == Fork.read(made).commit


def test_a_folder_that_is_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OfficialCodeError, match="root of a git repository"):
        read_checkout(tmp_path)
