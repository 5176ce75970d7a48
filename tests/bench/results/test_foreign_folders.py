"""Runs folders that belong to somebody else, do not exist or hold damaged files: shown as far as possible."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.numpy
from bundle_files import shard_files
from fake_runner import make_difficulty, make_predictions, make_record, make_spec
from read_only import read_only

from bench.errors import RunsFolderError, ShardError, StoreError
from bench.results.checksummed_json import DamagedError, encode_document
from bench.results.database import Store, fresh_store
from bench.results.files import sha256
from bench.results.predictions import pack_predictions, unpack_predictions
from bench.results.shards import Shards


@pytest.fixture
def runs() -> Iterator[Path]:
    """Three runs and a difficulty in a folder that every user may read."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    shards = Shards(folder / "runs")
    for seed in (1, 2, 3):
        shards.write(make_record(make_spec(seed=seed)), [make_predictions("base"), make_predictions("new")])
    shards.difficulties.write("ViT-demo.drawn", "spectrum_a", make_difficulty())
    yield folder / "runs"
    shutil.rmtree(folder)


def files_of(seed: int, runs: Path) -> tuple[Path, Path]:
    return shard_files(runs, make_spec(seed=seed).run_id)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# --- folders that cannot be written, or do not exist ------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no users and modes of POSIX")
@pytest.mark.parametrize("database", ["none", "current", "older", "damaged"])
def test_a_folder_that_cannot_be_written_is_shown(runs: Path, database: str):
    fresh_store(runs.with_name("other"))  # imports everything before this process becomes another user
    if database != "none":
        if database == "older":
            for path in files_of(3, runs):
                path.rename(path.with_suffix(".away"))
        expected = fresh_store(runs)
        for path in files_of(3, runs) if database == "older" else ():
            path.with_suffix(".away").rename(path)
        if database == "damaged":
            expected.path.write_bytes(b"no database")
    before = names(runs)
    with read_only(runs):
        assert not os.access(runs, os.W_OK)
        store = fresh_store(runs)
        assert sorted(store.runs_frame()["seed"].unique()) == [1, 2, 3]
        assert len(store.difficulty_frame()) == 6
        place = store.path.parent
        del store
    assert not place.exists(), "temporary database is gone"
    assert names(runs) == before


@pytest.mark.skipif(sys.platform == "win32", reason="no users and modes of POSIX")
def test_a_damaged_shard_in_a_folder_that_cannot_be_written_counts_as_missing(runs: Path, caplog):
    files_of(1, runs)[0].write_text("torn")
    fresh_store(runs.with_name("other"))
    with read_only(runs):
        assert sorted(fresh_store(runs).runs_frame()["seed"].unique()) == [2, 3]
    assert files_of(1, runs)[0].read_text() == "torn"
    assert "content counts as missing" in caplog.text


READING = {
    "leaderboard": ["leaderboard"],
    "compare": ["compare", "coop", "zero_shot"],
    "claims": ["papers", "claims"],
    "export": ["export"],
    "export of a bundle": ["runs", "export", "BUNDLE"],
    "rebuild": ["runs", "rebuild"],
    "show": ["runs", "show", "ab"],
    "verify": ["runs", "verify", "ab"],
    "published": ["papers", "published", "--ledger"],
    "status": ["status"],
    "sql": ["runs", "sql", "select 1"],
}
WITHOUT_ERROR = [("status", "empty"), ("sql", "empty"), ("sql", "absent")]


@pytest.mark.parametrize("what", READING)
def test_reading_commands_create_nothing_and_refuse_a_file(what: str, tmp_path: Path, etl, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETL_BENCH_CACHE", str(tmp_path.with_name("cache")))
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for place in ("absent", "empty", "file"):
        code, _, err = etl(*READING[what], "--runs", place)
        assert code == (0 if (what, place) in WITHOUT_ERROR else 2), err
        assert "Traceback" not in err
        assert names(tmp_path) == {"empty", "file"}
        assert ("folder absent, so there" in err) or (what, place) != ("sql", "absent")
        assert ("file is a file" in err) or place != "file" or what == "rebuild"
    assert (tmp_path / "file").read_text() == "x"


# --- shards that cannot be used ---------------------------------------------------------------------------------------


def newer(record: Path, packed: Path) -> None:
    record.write_text(json.dumps(json.loads(record.read_text()) | {"shard_version": 9}))


def other_schema(record: Path, packed: Path) -> None:
    document = json.loads(record.read_text())
    del document["record_sha256"]
    record.write_bytes(encode_document(document, document.pop("record") | {"mood": "good"}))


@pytest.mark.parametrize("change", [newer, other_schema])
def test_a_shard_that_cannot_be_read_stops_no_other_run(runs: Path, change, caplog, etl):
    change(*files_of(1, runs))
    before = names(runs / "shards")
    assert sorted(fresh_store(runs).runs_frame()["seed"].unique()) == [2, 3]
    assert caplog.text.count("Left out: ") == 1
    assert str(files_of(1, runs)[0]) in caplog.text
    assert names(runs / "shards") == before, "it is kept"
    code, out, _ = etl("leaderboard", "--runs", str(runs))
    assert code == 0
    assert "CoOp" in out
    with pytest.raises(ShardError):
        Shards(runs).read(make_spec(seed=1).run_id)


def test_many_shards_that_cannot_be_read_are_counted(runs: Path, caplog):
    for seed in range(10, 18):
        Shards(runs).write(make_record(make_spec(seed=seed)))
        newer(*files_of(seed, runs))
    assert len(fresh_store(runs).runs_frame()["seed"].unique()) == 3
    assert caplog.text.count("Left out: ") == 6
    assert "Left out: 3 more runs" in caplog.text


def test_a_difficulty_of_a_newer_release_stops_no_other(runs: Path, caplog):
    Shards(runs).difficulties.write("ViT-demo.drawn", "spectrum_z", make_difficulty(dataset="spectrum_z"))
    path = Shards(runs).difficulties.file("ViT-demo.drawn", "spectrum_z")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shard_version": 9}))
    assert set(fresh_store(runs).difficulty_frame()["dataset"]) == {"spectrum_a"}
    assert "Left out: " in caplog.text


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def rewritten(record: Path, packed: Path, tensors_without: str) -> None:
    tensors = safetensors.numpy.load(packed.read_bytes())
    del tensors[tensors_without]
    content = safetensors.numpy.save(tensors)
    packed.write_bytes(content)
    document = json.loads(record.read_text())
    document |= {"predictions_bytes": len(content), "predictions_sha256": sha256(content)}
    record.write_text(json.dumps(document))


ODD = {
    "another run's shard": lambda r, p, o: [a.write_bytes(b.read_bytes()) for a, b in zip((r, p), o, strict=True)],
    "deeply nested": lambda r, p, o: r.write_text("[" * 100_000 + "]" * 100_000),
    "version is text": lambda r, p, o: r.write_text(
        r.read_text().replace('"shard_version": 1', '"shard_version": "x"')
    ),
    "record is a number": lambda r, p, o: r.write_bytes(
        encode_document({"shard_version": 1, "predictions_sha256": None, "predictions_bytes": 0}, 3)
    ),
    "lone surrogate": lambda r, p, o: r.write_text('{"shard_version": 1, "record": "\\ud800", "record_sha256": ""}'),
    "without predictions_sha256": lambda r, p, o: r.write_text(r.read_text().replace("predictions_sha256", "x")),
    "folder": lambda r, p, o: as_folder(r),
    "symlink loop": lambda r, p, o: as_loop(r),
    "pipe": lambda r, p, o: as_pipe(r),
    "predictions are a folder": lambda r, p, o: as_folder(p),
    "without a column": lambda r, p, o: rewritten(r, p, "base/rank"),
    "without images": lambda r, p, o: rewritten(r, p, "new/images"),
}


@pytest.mark.parametrize("what", list(ODD))
def test_an_odd_shard_is_one_line_and_the_others_show(runs: Path, what: str, caplog):
    ODD[what](*files_of(1, runs), files_of(2, runs))
    assert sorted(fresh_store(runs).runs_frame()["seed"].unique()) == [2, 3]
    assert len(caplog.records) == 1
    assert make_spec(seed=1).run_id in caplog.text
    assert "\n" not in caplog.records[0].getMessage()
    caplog.clear()
    assert sorted(fresh_store(runs).runs_frame()["seed"].unique()) == [2, 3]
    assert not caplog.records, "it was set aside"


def test_a_link_that_leads_nowhere_and_a_shard_in_a_wrong_folder_are_no_runs(runs: Path):
    (runs / "shards" / "ab").mkdir(exist_ok=True)
    (runs / "shards" / "ab" / f"ab{'0' * 14}.json").symlink_to("nowhere")
    shutil.copy(files_of(1, runs)[0], runs / "shards" / "ab")
    assert fresh_store(runs).runs_frame()["run_id"].nunique() == 3


def test_predictions_must_fit_each_other():
    flat = replace(make_predictions(), top_logits=make_predictions().true_logit)
    with pytest.raises(DamagedError, match=r"'base' is float32 \(6,\)"):
        unpack_predictions(pack_predictions([flat]))


# --- a database that cannot be used -----------------------------------------------------------------------------------


def test_a_database_with_flipped_bytes_is_called_damaged_and_is_rebuilt(runs: Path):
    """DuckDB's message names a corrupt block, which is no lock."""
    store = fresh_store(runs)
    good = store.path.read_bytes()
    said = []
    for at in range(len(good) // 12, len(good), len(good) // 6):
        store.path.write_bytes(good[:at] + bytes([good[at] ^ 255]) + good[at + 1 :])
        for use in (store.runs_frame, lambda: store.ingest(), lambda: store.query("from predictions")):
            try:
                use()
            except StoreError as error:
                said.append(error)
        assert store.rebuild() == 3
    assert {type(error) for error in said} == {StoreError}, "always a store error"
    assert all("runs rebuild" in str(error) and "\n" not in str(error) for error in said)
    assert len(store.runs_frame()) == 6


def test_the_runs_folder_may_be_a_file(tmp_path: Path):
    (tmp_path / "x").write_text("")
    with pytest.raises(RunsFolderError, match="is a file"):
        Shards(tmp_path / "x").scan()
    with pytest.raises(StoreError, match="no database to rebuild"):
        Store(tmp_path / "x").rebuild()
