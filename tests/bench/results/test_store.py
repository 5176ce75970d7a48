import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from bundle_files import shard_files
from fake_runner import failed_record, make_difficulty, make_predictions, make_record, make_score, make_spec
from patience import PATIENCE

from bench.errors import StoreError, StoreLockedError
from bench.results import database as _database
from bench.results.database import Store, fetch_frame
from bench.results.shards import Shards

DOCUMENTED = """run_id method config recipe_name recipe backbone dataset task_fingerprint draw protocol shots seed
    precision status error_message split accuracy macro_accuracy macro_precision nll brier ece n n_classes
    selected_on_test trainable_parameters prepare_seconds train_seconds eval_seconds steps peak_memory_bytes
    image_passes prompted_image_passes text_passes created_at"""


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    shards = Shards(tmp_path)
    for seed in (1, 2):
        shards.write(make_record(make_spec(seed=seed)), [make_predictions("base"), make_predictions("new", classes=3)])
    return shards


@pytest.fixture
def store(shards: Shards) -> Store:
    return Store(shards.runs, lock_timeout=0)


@pytest.fixture
def loaded(store: Store) -> Store:
    assert store.ingest() == 2
    return store


FAILED = failed_record(make_spec(seed=3), ValueError("boom"))


def test_one_row_per_run_and_split_with_every_documented_column(loaded: Store):
    frame = loaded.runs_frame()
    assert set(DOCUMENTED.split()) <= set(frame.columns)
    assert list(zip(frame["seed"], frame["split"], strict=True)) == [(1, "base"), (1, "new"), (2, "base"), (2, "new")]
    first = frame.iloc[0]
    assert first["config"] == '{"n_ctx":4}'
    assert first["recipe_name"] == "published"
    assert (first["protocol"], first["draw"], first["status"]) == ("base-to-new", "coop", "ok")
    assert first["accuracy"] == make_record(make_spec(seed=1)).scores[0].accuracy
    assert first["created_at"].isoformat() == "2026-01-02T03:04:05"


def test_a_failed_run_is_one_row_without_a_split_and_a_training_free_one_has_no_recipe(store: Store, shards: Shards):
    shards.write(FAILED)
    spec = make_spec(recipe=None, method="zero_shot", shots=0, seed=0)
    shards.write(make_record(spec))
    store.ingest()
    frame = store.runs_frame().set_index("run_id")
    failed = frame.loc[FAILED.run_id]
    assert (failed["status"], failed["error_kind"], failed["error_message"]) == ("failed", "ValueError", "boom")
    assert failed[["split", "accuracy", "n", "train_seconds"]].isna().all()
    assert frame.loc[spec.run_id, ["recipe", "recipe_name"]].isna().all(axis=None)


def test_only_what_is_new_or_was_replaced_is_loaded_and_what_is_gone_is_dropped(loaded: Store, shards: Shards):
    assert loaded.ingest() == 0
    shards.write(FAILED)
    assert loaded.ingest() == 1
    assert set(loaded.runs_frame()["seed"]) == {1, 2, 3}
    record = make_record(FAILED.spec, scores=[make_score("base", 0.25)])
    shards.write(record, [make_predictions("base")])
    assert loaded.ingest() == 1
    assert loaded.runs_frame().query("seed == 3")["accuracy"].tolist() == [0.25]
    assert len(loaded.predictions_frame(FAILED.run_id)) == 6
    shard_files(shards.runs, FAILED.run_id)[0].unlink()
    assert loaded.ingest() == 0
    assert len(loaded.runs_frame()) == 4
    assert loaded.predictions_frame(FAILED.run_id).empty


def test_runs_of_a_race_are_left_out(loaded: Store, shards: Shards):
    """They are scored on held-out training images."""
    record = make_record(make_spec(seed=3, fold="1/4"))
    shards.write(record, [make_predictions("base"), make_predictions("new", classes=3)])
    loaded.ingest()
    assert set(loaded.runs_frame()["seed"]) == {1, 2}
    assert loaded.predictions_frame(record.run_id).empty


def test_predictions_come_back_in_the_order_of_the_split(loaded: Store):
    new = loaded.predictions_frame(make_spec(seed=1).run_id).query("split == 'new'")
    wanted = make_predictions("new", classes=3)
    assert new["image"].tolist() == list(wanted.images)
    assert new["position"].tolist() == [0, 1, 2, 3, 4, 5]
    assert new["label"].tolist() == wanted.label.tolist()
    assert [list(row) for row in new["top_labels"]] == wanted.top_labels.tolist(), "lists of three"


def test_difficulty_has_one_row_per_measure(store: Store, shards: Shards):
    shards.difficulties.write("ViT-demo.drawn", "spectrum_a", make_difficulty())
    store.ingest()
    store.ingest()
    frame = store.difficulty_frame()
    columns = "backbone dataset split measure value n_classes n_images data_fingerprint backbone_digest created_at"
    assert list(frame.columns) == columns.split()
    assert len(frame) == 6
    assert frame.set_index(["split", "measure"])["value"]["base", "relative_transfer_difficulty"] == 0.5
    assert frame[frame["measure"] == "undefined"]["value"].isna().all()


def test_a_database_rebuilt_from_shards_equals_the_old_one(store: Store, shards: Shards):
    for seed in (3, 4):
        shards.write(failed_record(make_spec(seed=seed), ValueError("boom")))
        store.ingest()
    shards.difficulties.write("ViT-demo.drawn", "spectrum_a", make_difficulty())
    store.ingest()

    def content() -> list[str]:
        predictions = store.query("select * from predictions order by run_id, split, position")
        return [frame.to_csv() for frame in (store.runs_frame(), store.difficulty_frame(), predictions)]

    before = content()
    store.path.unlink()
    assert store.rebuild() == 4
    assert content() == before
    assert [path.name for path in shards.runs.glob("*duckdb*")] == ["results.duckdb"]


def test_a_database_of_the_user_is_kept(store: Store, shards: Shards):
    with duckdb.connect(store.path) as connection:
        connection.execute("CREATE TABLE experiments AS SELECT 42 AS answer")
    for use in (lambda: store.ingest(), lambda: store.rebuild()):
        with pytest.raises(StoreError, match="make the database .*'experiments'"):
            use()
    with duckdb.connect(store.path) as connection:
        assert connection.execute("SELECT answer FROM experiments").fetchone() == (42,)


def test_rebuild_replaces_a_file_that_is_no_database(store: Store, shards: Shards):
    store.path.write_text("not a database" * 1000)
    with pytest.raises(StoreError, match="opened.*etl-bench runs rebuild"):
        store.ingest()
    for left in (".results.rebuilding.duckdb", ".results.rebuilding.duckdb.wal", "results.duckdb.wal"):
        (store.runs / left).write_text("of a process that was killed")
    assert store.rebuild() == 2
    assert len(store.runs_frame()) == 4
    assert {path.name for path in store.runs.glob("*duckdb*")} == {"results.duckdb", "results.duckdb.unreadable"}
    assert store.path.with_name("results.duckdb.unreadable").read_text().startswith("not a database")


def test_a_full_disk_gets_one_line_and_the_way_out(store: Store, shards: Shards, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise duckdb.IOException('IO Error: Could not write file "results.duckdb": No space left on device')

    monkeypatch.setattr(duckdb, "connect", full)
    with pytest.raises(StoreError, match=r"their shards\. Make room") as refused:
        store.ingest()
    assert "\n" not in str(refused.value)


def test_outcomes_are_those_of_the_predictions_ordered_by_image(loaded: Store):
    every = loaded.runs_frame(outcomes=True)
    wanted = loaded.query(
        """SELECT run_id, split, md5(string_agg(image || ' ' || label, chr(10) ORDER BY image)) AS images,
            list(label = predicted ORDER BY image) AS correct FROM predictions GROUP BY ALL"""
    )
    by_run = {(row.run_id, row.split): (row.images, list(row.correct)) for row in wanted.itertuples()}
    found = {(row.run_id, row.split): (row.images, list(row.correct)) for row in every.itertuples() if row.images}
    assert found == by_run
    assert len(found) > 2
    some = loaded.with_outcomes(loaded.runs_frame().iloc[:2])
    assert [list(value) for value in some["correct"]] == [list(value) for value in every["correct"].iloc[:2]]


def test_a_frame_fetched_in_parts_equals_the_whole():
    """Columns with missing values in some parts only have the types of the whole."""
    query = """SELECT i, if(i < 5000, NULL, 'x') AS late, if(i < 5000, 'x', NULL) AS early, NULL::VARCHAR AS none,
        if(i > 5000, NULL, i) AS whole, if(i < 5000, NULL, i % 2 = 0) AS truth, if(i < 5000, NULL, i / 3) AS number,
        if(i < 5000, NULL, TIMESTAMP '2026-01-02') AS moment FROM range(9000) AS rows(i) WHERE i < $most"""
    with duckdb.connect() as connection:
        for most in (0, 10, 9000):
            whole = connection.execute(query, {"most": most}).df()
            pd.testing.assert_frame_equal(fetch_frame(connection.execute(query, {"most": most})), whole)


NO_READING = "not a reading statement"
REFUSED = {
    "insert into runs select * from runs": NO_READING,
    "drop table runs": NO_READING,
    "copy runs to 'x.csv'": NO_READING,
    "delete from scores": NO_READING,
    "": "0 SQL statements were given",
    "select 1; select 2": "2 SQL statements were given",
    "select acuracy from scores": "DuckDB refuses the query",
    "select * from read_csv('secret.csv')": "disabled by configuration",
}


@pytest.mark.parametrize("sql", REFUSED)
def test_a_query_reads_the_database_and_is_one_statement(loaded: Store, monkeypatch: pytest.MonkeyPatch, sql: str):
    monkeypatch.chdir(loaded.runs)
    Path("secret.csv").write_text("a\n1\n")
    with pytest.raises(StoreError, match=REFUSED[sql]) as refused:
        loaded.query(sql)
    assert "\n" not in str(refused.value)
    assert not Path("x.csv").exists()
    for reads in ("describe runs", "show tables", "with a as (select 1 as x) select x from a"):
        assert not loaded.query(reads).empty


def test_a_missing_database_is_an_error_with_the_next_step(tmp_path: Path):
    with pytest.raises(StoreError, match="no results database at"):
        Store(tmp_path).runs_frame()


HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def test_a_database_held_by_another_process_is_one_line_with_its_id(store: Store):
    store.ingest()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout.readline() == "held\n"
        wanted = f"held by process {holder.pid} .*Wait until it is done, or end it.*safe in their shards"
        for use in (store.runs_frame, lambda: store.ingest(), lambda: store.rebuild()):
            with pytest.raises(StoreLockedError, match=wanted) as caught:
                use()
            assert "\n" not in str(caught.value)
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(Store(store.runs, lock_timeout=PATIENCE).runs_frame)
            assert not wait([waiting], timeout=0.3).done
            holder.stdin.close()
            assert len(waiting.result()) == 4


def test_a_database_of_another_version_is_rebuilt_from_the_shards(store: Store, caplog, monkeypatch):
    store.ingest()
    before = store.runs_frame()
    with duckdb.connect(str(store.path)) as connection:
        connection.execute("ALTER TABLE runs DROP COLUMN targets")
        connection.execute("CREATE TABLE published (digest VARCHAR)")
        connection.execute("COMMENT ON TABLE runs IS 'another'")
    with pytest.raises(StoreError, match="version of etl-bench.*runs rebuild"):
        store.runs_frame()
    with monkeypatch.context() as interrupted:
        interrupted.setattr("bench.results.database._schema", lambda: ("CREATE TABLE runs (nonsense NOTHING)", "x"))
        with pytest.raises(StoreError, match="cannot be used"):
            store.ingest()
    with duckdb.connect(str(store.path)) as connection:
        assert connection.table("runs").shape[0] == 2, "it keeps its rows"
    caplog.clear()
    assert store.ingest() == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"Another version of etl-bench made {store.path}; it is rebuilt from the shards of the runs."
    ]
    assert store.runs_frame().equals(before)
    assert "published" not in store.query("show tables")["name"].tolist()
    assert store.ingest() == 0


def test_a_query_reads_given_frames_as_tables(loaded: Store):
    marks = pd.DataFrame({"seed": [1, 2], "mark": ["a", "b"]})
    found = loaded.query("select mark from runs join marks using (seed) order by seed", tables={"marks": marks})
    assert found["mark"].tolist() == ["a", "b"]
    with pytest.raises(StoreError, match="marks"):
        loaded.query("select * from marks")


def test_an_interrupted_ingest_is_completed_by_the_next(tmp_path: Path, monkeypatch):
    shards, store = Shards(tmp_path), Store(tmp_path)
    for seed in range(5):
        shards.write(make_record(make_spec(seed=seed)), [make_predictions("base"), make_predictions("new")])
    monkeypatch.setattr("bench.results.database.CHUNK", 2)
    insert, calls = _database.insert_runs, []

    def dies_in_the_second_chunk(connection, found, stamps):
        calls.append(len(found))
        insert(connection, found, stamps)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("bench.results.database.insert_runs", dies_in_the_second_chunk)
    with pytest.raises(KeyboardInterrupt):
        store.ingest()
    assert len(store.runs_frame()["run_id"].unique()) == 2, "one chunk is kept"
    assert (store.ingest(), calls) == (3, [2, 2, 2, 1])
    assert len(store.outcomes_frame()) == 5 * 12


def test_the_cost_and_gain_of_selection_are_in_the_frame(loaded: Store, shards: Shards):
    chosen = make_record(make_spec(seed=3, epoch_selection="oracle"))
    cost = chosen.cost.model_copy(update={"fits": 3, "candidate_evaluations": 20, "tuning_seconds": 0.5})
    scores = [s.model_copy(update={"selected_on_test": "epoch 2", "optimism": 0.25}) for s in chosen.scores]
    shards.write(chosen.model_copy(update={"cost": cost, "scores": scores, "selected_epoch": 2}))
    loaded.ingest()
    frame = loaded.runs_frame().set_index("seed")
    columns = ["epoch_selection", "selected_epoch", "fits", "candidate_evaluations", "tuning_seconds", "optimism"]
    assert frame.loc[3, columns].iloc[0].tolist() == ["oracle", 2, 3, 20, 0.5, 0.25]
    assert frame.loc[1, ["fits", "candidate_evaluations", "tuning_seconds"]].iloc[0].tolist() == [1, 0, 0.0]
    assert frame.loc[1, ["epoch_selection", "selected_epoch", "optimism"]].isna().to_numpy().all()
