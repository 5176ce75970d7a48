"""Shards: written whole or not at all, read with their checksums, found again; and folders of runs."""

import os
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from bundle_files import shard_files
from fake_runner import answered, failed_record, make_difficulty, make_predictions, make_record, make_spec

from bench.errors import RunsFolderError, ShardError, UsageError
from bench.record import Predictions, RunStatus
from bench.results.predictions import pack_predictions
from bench.results.shards import Shards, check_runs_folder, no_runs, runs_folders
from reports.site.build import PageRequest, write_page


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    return Shards(tmp_path)


def test_what_is_written_is_read_back(shards: Shards):
    """Image keys may be of any script."""
    record = make_record(make_spec())
    assert shards.read(record.run_id) is shards.status(record.run_id) is None
    assert (shards.scan(), shards.difficulties.all()) == ({}, [])
    images = tuple(f"Übung {i}/картинка ü.png" for i in range(3))
    new = replace(make_predictions("new", n=3, classes=2), images=images)
    assert shards.write(record, [make_predictions("base"), new])
    shard = shards.read(record.run_id)
    assert shard.record == record
    assert [item.split for item in shard.predictions] == ["base", "new"]
    found = shard.predictions[1]
    assert (found.images, found.top_labels.shape) == (images, (3, 2))
    np.testing.assert_array_equal(found.true_logit, new.true_logit)


def test_equal_predictions_give_equal_bytes():
    one = pack_predictions([make_predictions("base"), make_predictions("new")])
    other = pack_predictions([make_predictions("new"), make_predictions("base")])
    assert one == other


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (replace(make_predictions(n=1), images=("a\nb",)), "line break"),
        (replace(make_predictions(n=2), images=("a",)), "differ in length"),
    ],
)
def test_columns_that_cannot_be_stored_are_refused(item: Predictions, said: str):
    with pytest.raises(ShardError, match=said):
        pack_predictions([item])


def test_a_success_replaces_a_failure_and_never_the_other_way(shards: Shards):
    spec = make_spec()
    for record, written, status in (
        (failed_record(spec, ValueError("boom")), True, RunStatus.FAILED),
        (make_record(spec), True, RunStatus.OK),
        (failed_record(spec, ValueError("boom")), False, RunStatus.OK),
    ):
        assert shards.write(record) is written
        assert shards.status(spec.run_id) is status


def test_a_failure_leaves_no_predictions_of_an_unfinished_success(shards: Shards):
    """A writer killed between its two renames leaves predictions without a record."""
    spec = make_spec()
    record_file, predictions_file = shard_files(shards.runs, spec.run_id)
    shards.write(make_record(spec), [make_predictions()])
    record_file.unlink()
    assert shards.read(spec.run_id) is None
    shards.write(failed_record(spec, ValueError("boom")))
    assert not predictions_file.exists()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda r, p: r.write_bytes(r.read_bytes()[:100]), "incomplete"),
        (lambda r, p: r.write_text("[]"), "incomplete"),
        (lambda r, p: r.write_text(r.read_text().replace('"shots": 16', '"shots": 61')), "does not match its checksum"),
        (lambda r, p: p.unlink(), "predictions file is missing"),
        (lambda r, p: p.write_bytes(p.read_bytes()[:-1]), "bytes, not"),
        (lambda r, p: p.write_bytes(p.read_bytes()[:-4] + b"abcd"), "predictions file does not match"),
    ],
)
def test_a_damaged_shard_is_set_aside_and_counts_as_missing(shards: Shards, damage, reason: str, caplog):
    spec = make_spec()
    shards.write(make_record(spec), [make_predictions()])
    record_file, predictions_file = shard_files(shards.runs, spec.run_id)
    damage(record_file, predictions_file)
    left = {path.name for path in record_file.parent.iterdir()}

    assert shards.read(spec.run_id) is None
    assert reason in caplog.text
    assert shards.scan() == {}
    assert shards.status(spec.run_id) is None
    assert shards.record(spec.run_id) is None
    assert {path.name for path in record_file.parent.iterdir()} == {f"{name}.damaged-1" for name in left}

    assert shards.write(make_record(spec), [make_predictions()])
    assert shards.status(spec.run_id) is RunStatus.OK


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])])
def test_the_status_needs_predictions_of_their_full_size(shards: Shards, damage):
    spec = make_spec()
    shards.write(make_record(spec), [make_predictions()])
    damage(shard_files(shards.runs, spec.run_id)[1])
    assert shards.status(spec.run_id) is None


def test_only_an_imported_run_is_noted_as_verified(shards: Shards):
    spec = make_spec()
    shards.write(make_record(spec), [make_predictions()])
    record_file, _ = shard_files(shards.runs, spec.run_id)
    before = record_file.read_bytes()
    shards.note_verified(spec.run_id)
    assert record_file.read_bytes() == before


def test_a_second_damage_gets_a_second_name(shards: Shards):
    spec = make_spec()
    for _ in range(2):
        shards.write(make_record(spec))
        shard_files(shards.runs, spec.run_id)[0].write_text("torn")
        assert shards.status(spec.run_id) is None
    assert sorted(path.name for path in shards.runs.rglob("*.damaged-*")) == [
        f"{spec.run_id}.json.damaged-1",
        f"{spec.run_id}.json.damaged-2",
    ]


def test_a_stamp_changes_with_its_shard(shards: Shards):
    spec = make_spec()
    assert shards.stamp(spec.run_id) is None
    shards.write(make_record(spec))
    first = shards.stamp(spec.run_id)
    assert list(shards.scan().values()) == [first]
    shards.write(make_record(spec))
    assert shards.stamp(spec.run_id) not in (None, first)


def test_a_run_is_found_by_the_beginning_of_its_id(shards: Shards):
    specs = [make_spec(seed=seed) for seed in range(40)]
    for spec in specs:
        shards.write(make_record(spec))
    assert shards.find(specs[0].run_id[:12].upper()) == specs[0].run_id
    with pytest.raises(UsageError, match="'xyz'; it contains 40 runs"):
        shards.find("xyz")
    with pytest.raises(UsageError, match="40 runs begin with ''"):
        shards.find("")


def test_difficulty_is_read_back_and_damage_is_set_aside(shards: Shards, caplog):
    shards.difficulties.write("ViT-demo.drawn", "dial:shift=0.5", make_difficulty(dataset="dial:shift=0.5"))
    assert shards.difficulties.has("ViT-demo.drawn", "dial:shift=0.5")
    assert not shards.difficulties.has("ViT-demo.drawn", "dial:shift=0.6")
    assert shards.difficulties.all() == make_difficulty(dataset="dial:shift=0.5")
    (path,) = (shards.runs / "difficulty" / "ViT-demo.drawn").iterdir()
    path.write_bytes(path.read_bytes()[:50])
    assert shards.difficulties.all() == []
    assert not shards.difficulties.has("ViT-demo.drawn", "dial:shift=0.5")
    assert "incomplete" in caplog.text


def test_left_over_temporaries_are_cleared_by_the_next_write(shards: Shards):
    spec = make_spec()
    folder = shard_files(shards.runs, spec.run_id)[0].parent
    folder.mkdir(parents=True)
    stale = folder / f".{spec.run_id}.123-456.tmp"
    stale.write_text("half")
    shards.write(make_record(spec))
    assert not stale.exists()
    assert not list(folder.glob(".*"))


def hammer(shards: Shards, first: int) -> None:
    for i in range(20):
        shards.write(make_record(make_spec()), [make_predictions(seed=first + i)])


@pytest.mark.skipif(os.name != "posix", reason="forks")
def test_two_writers_of_one_run_never_leave_a_torn_shard(shards: Shards):
    """Both write different predictions under the same name; the folder's lock keeps each pair together."""
    writers = [get_context("fork").Process(target=hammer, args=(shards, first)) for first in (0, 100)]
    for writer in writers:
        writer.start()
    spec = make_spec()
    while any(writer.is_alive() for writer in writers):
        shards.read(spec.run_id)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert not list(shards.runs.rglob("*.damaged-*"))
    assert shards.read(spec.run_id) is not None


def test_a_runs_folder_may_be_beside_others_but_not_among_folders_of_images(tmp_path: Path) -> None:
    """Classes and folders of others may have names of folders with runs."""
    runs = (
        "around-runs/demo/shards/ab/1.json",
        "own/shards/ab/1.json",
        "own/figures/1.svg",
        "begun/logs/1.txt",
        "begun/checkpoints/1.txt",
    )
    for name in ("with-files/notes.txt", *runs, "pictures/cat/1.png", "pictures/race/1.png", "work/cat/logs/1.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty", "with-files", "around-runs", "own", "begun"):
        check_runs_folder(tmp_path / name)
    (tmp_path / "empty" / "features").mkdir()
    check_runs_folder(tmp_path / "empty", tmp_path / "own" / ".." / "empty" / "features")
    for name in ("pictures", "work"):
        with pytest.raises(RunsFolderError, match="'cat'"):
            check_runs_folder(tmp_path / name)


def test_folders_inside_and_beside_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("runs/demo", "other"):
        Shards(tmp_path / name).write(*answered())
    assert runs_folders(tmp_path / "runs") == [tmp_path / "runs" / "demo"]
    assert runs_folders(tmp_path / "typo") == []
    both = f"--runs {tmp_path / 'runs' / 'demo'} or --runs {tmp_path / 'other'}."
    assert no_runs(tmp_path / "runs").endswith(both)
    assert f"nearby: give --runs {tmp_path / 'other'}." in no_runs(tmp_path / "typo")
    assert "runs with `etl-bench run`" in no_runs(tmp_path / "other" / "shards" / "nowhere")


@pytest.mark.parametrize("protocol", [None, "few-shot"])
def test_nothing_to_show_leaves_an_earlier_page(protocol, tmp_path: Path) -> None:
    if protocol:
        Shards(tmp_path / "runs").write(*answered())
    page = tmp_path / "page.html"
    page.write_text("an earlier page")
    with pytest.raises(UsageError, match=r"has protocol few-shot\. No page" if protocol else "There are no runs in"):
        write_page(PageRequest(runs=tmp_path / "runs", out=page, protocol=protocol))
    assert page.read_text() == "an earlier page"
