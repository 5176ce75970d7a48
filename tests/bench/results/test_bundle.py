"""Bundles: equal runs give equal bytes, a repeated import completes one, and scores must follow from predictions."""

from __future__ import annotations

import errno
import fnmatch
import itertools
import os
import sys
import zipfile
from functools import partial, partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from bundle_files import ids, rewritten
from fake_runner import answered, failed_record, make_difficulty, make_predictions, make_record, make_score, make_spec
from limited import limited
from pydantic import ValidationError

from bench.errors import BundleError
from bench.record import RunRecord, RunStatus, Score
from bench.results.bundles import export_bundle, import_bundle
from bench.results.checksummed_json import DamagedError
from bench.results.predictions import pack_predictions, unpack_predictions
from bench.results.recomputed_scores import METRICS, contradiction, split_scores
from bench.results.shards import Shards


@pytest.fixture
def theirs(tmp_path: Path) -> Shards:
    shards = Shards(tmp_path / "theirs")
    for seed in (1, 2, 3):
        shards.write(*answered(seed))
    shards.difficulties.write("ViT-demo.drawn", "spectrum_a", make_difficulty())
    shards.difficulties.write("ViT-demo.drawn", "spectrum_z", make_difficulty(dataset="spectrum_z"))
    return shards


@pytest.fixture
def bundle(theirs: Shards, tmp_path: Path) -> Path:
    export_bundle(theirs, ids(theirs), tmp_path / "b.zip")
    return tmp_path / "b.zip"


@pytest.fixture
def ours(tmp_path: Path) -> Shards:
    return Shards(tmp_path / "ours")


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for part in ("shards", "difficulty")
        for path in (folder / part).rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def test_what_is_taken_in_is_what_was_given_away(theirs: Shards, tmp_path: Path):
    done = export_bundle(theirs, ids(theirs), tmp_path / "out" / "b.zip")
    assert (done.runs, done.difficulties) == (3, 1), "other difficulties stay"
    ours = Shards(tmp_path / "ours")
    imported = import_bundle(ours, tmp_path / "out" / "b.zip")
    assert imported.root == done.root
    assert (len(imported.added), len(imported.unchanged), imported.difficulties) == (3, 0, 1)
    assert tree(ours.runs).keys() == {name for name in tree(theirs.runs) if "spectrum_z" not in name}
    assert all(ours.record(run_id) == theirs.record(run_id) for run_id in ids(theirs))
    assert ours.origin(imported.added[0]) == done.root
    assert theirs.origin(imported.added[0]) == ""
    assert export_bundle(ours, ids(ours), tmp_path / "again.zip").root == done.root, "no trace of imports"
    before, second = tree(ours.runs), import_bundle(ours, tmp_path / "out" / "b.zip")
    assert (len(second.added), len(second.unchanged)) == (0, 3)
    assert tree(ours.runs) == before
    assert ours.origin(imported.added[0]) == done.root


def test_the_same_runs_give_the_same_bytes(theirs: Shards, bundle: Path):
    again = bundle.with_name("again.zip")
    export_bundle(theirs, ids(theirs)[::-1], again)
    assert again.read_bytes() == bundle.read_bytes()


def killed_import(runs: Path, bundle: Path, step: int) -> bool:
    """Import in a child process that ends itself before its rename number `step`; False if it has fewer renames."""
    child = os.fork()
    if child == 0:
        left = itertools.count(step, -1)
        real = {name: getattr(Path, name) for name in ("rename", "replace")}

        def counted(name: str, source: Path, target: Path) -> Path:
            if next(left) == 0:
                os._exit(9)
            return real[name](source, target)

        for name in real:
            setattr(Path, name, partialmethod(partial(counted, name)))
        try:
            import_bundle(Shards(runs), bundle)
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] != 0


@pytest.mark.skipif(os.name != "posix", reason="forks")
def test_a_killed_import_loses_nothing_and_a_repetition_completes_it(theirs: Shards, tmp_path: Path):
    root = export_bundle(theirs, ids(theirs), tmp_path / "b.zip").root
    import_bundle(Shards(tmp_path / "whole"), tmp_path / "b.zip")
    mine, outcomes = answered(4), []
    for step in itertools.count():
        ours = Shards(tmp_path / f"ours-{step}")
        ours.write(*mine)
        if not killed_import(ours.runs, tmp_path / "b.zip", step):
            break
        found = ids(ours)
        assert all(ours.read(run_id) for run_id in found), f"killed before rename {step}"
        assert mine[0].run_id in found
        again = import_bundle(ours, tmp_path / "b.zip")
        assert sorted([*again.added, *again.unchanged]) == ids(theirs)
        assert (again.conflicting, ours.origin(mine[0].run_id)) == ((), "")
        assert tree(ours.runs).items() >= tree(tmp_path / "whole").items()
        assert {ours.origin(run_id) for run_id in ids(theirs)} == {root}
        outcomes.append(len(found))
    assert outcomes == sorted(outcomes)
    assert {1, 2, 3, 4} == set(outcomes)


def test_a_full_disk_keeps_what_was_added(bundle: Path, ours: Shards, monkeypatch: pytest.MonkeyPatch):
    real, written = Shards.write, itertools.count()

    def full(self: Shards, *arguments: Any, **options: Any) -> bool:
        if next(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, *arguments, **options)

    monkeypatch.setattr(Shards, "write", full)
    with pytest.raises(BundleError, match="imported completely, since .*ours"):
        import_bundle(ours, bundle)
    assert len(ids(ours)) == 2
    assert len(import_bundle(ours, bundle).added) == 1


def test_a_run_that_was_finished_during_the_import_stays(bundle: Path, ours: Shards, monkeypatch: pytest.MonkeyPatch):
    record, predictions = answered(1)
    mine = record.model_copy(update={"final_loss": 0.5})
    real = Shards.write

    def late(self: Shards, imported: RunRecord, *arguments: Any, **options: Any) -> bool:
        if imported.run_id == mine.run_id:
            real(self, mine, predictions)
        return real(self, imported, *arguments, **options)

    monkeypatch.setattr(Shards, "write", late)
    done = import_bundle(ours, bundle)
    assert (len(done.added), done.conflicting) == (2, (record.run_id,))
    assert ours.origin(record.run_id) == ""
    assert ours.read(record.run_id).record == mine


def test_ours_stay_and_our_failures_give_way(bundle: Path, ours: Shards):
    record, predictions = answered(1)
    mine = record.model_copy(update={"final_loss": 0.5})
    ours.write(mine, predictions)
    ours.write(failed_record(make_spec(seed=2), ValueError("boom")))
    done = import_bundle(ours, bundle)
    assert done.conflicting == (record.run_id,)
    assert len(done.added) == 2
    assert ours.read(record.run_id).record == mine


def refused(bundle: Path, tmp_path: Path, match: str) -> None:
    ours = Shards(tmp_path / "ours")
    with pytest.raises(BundleError, match=match):
        import_bundle(ours, bundle)
    assert not ours.runs.exists(), "nothing of a refused bundle is taken"


def first_of(files: dict[str, bytes], kind: str) -> str:
    return sorted(fnmatch.filter(files, kind))[0]


def flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize("kind", ["shards/*.json", "shards/*.safetensors", "difficulty/*.json"])
@pytest.mark.parametrize("share", [0.05, 0.95])
def test_any_flipped_byte_is_found(bundle: Path, tmp_path: Path, kind: str, share: float):
    def change(files: dict[str, bytes]) -> None:
        name = first_of(files, kind)
        files[name] = flip(files[name], int(len(files[name]) * share))

    refused(rewritten(bundle, change), tmp_path, "was altered|is not a difficulty record")


@pytest.mark.parametrize("name", METRICS)
def test_an_edited_number_is_refused_although_every_checksum_fits(tmp_path: Path, name: str):
    record, predictions = answered(1)
    base, new = record.scores
    value = getattr(base, name) * 0.9 + 0.01
    edited = Shards(tmp_path / "edited")
    edited.write(record.model_copy(update={"scores": [base.model_copy(update={name: value}), new]}), predictions)
    export_bundle(edited, ids(edited), tmp_path / "edited.zip")
    match = f"base: {name} is stated as {value:.6f}, but the predictions give"
    refused(tmp_path / "edited.zip", tmp_path, match)


def drop_record(files: dict[str, bytes]) -> None:
    del files[first_of(files, "shards/*.json")]


def rename_run(files: dict[str, bytes]) -> None:
    for name in (first_of(files, "shards/*.json"), first_of(files, "shards/*.safetensors")):
        files[f"shards/ff/{'f' * 16}.{name.partition('.')[2]}"] = files.pop(name)


STRANGE = ("../../evil.json", "/etc/evil.json", "shards/ab/../../../evil.json", "shards/zz/notes.txt", "extra.txt")
ALTERED = {
    "has predictions and no record": drop_record,
    "the file of run f{16} contains run": rename_run,
} | {f"'{name}' is not the path of a run": partial(dict.update, **{name: b"{}"}) for name in STRANGE}


@pytest.mark.parametrize("said", ALTERED)
def test_altered_bundles_are_refused(bundle: Path, tmp_path: Path, said: str):
    refused(rewritten(bundle, ALTERED[said]), tmp_path, said)
    assert not list(tmp_path.rglob("evil.json"))


def test_files_that_are_no_bundle(bundle: Path, tmp_path: Path):
    (tmp_path / "torn.zip").write_bytes(b"PK\x03\x04 torn")
    refused(tmp_path / "torn.zip", tmp_path, "cannot be read as a bundle.*runs export")
    refused(tmp_path / "absent.zip", tmp_path, "cannot be read as a bundle.*No such file")
    with zipfile.ZipFile(bundle, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(archive.namelist()[0], b"{}")
    refused(bundle, tmp_path, "it has 'shards/.*' twice")


def test_an_output_that_cannot_be_written_is_named(theirs: Shards, tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match=r"b\.zip cannot be written"):
        export_bundle(theirs, ids(theirs), tmp_path / "file" / "b.zip")


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a child process")
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("shards/*.json", "unpacked, more than the 32 MiB"),
        ("shards/*.safetensors", "at most 200 times as much is unpacked"),
    ],
)
def test_a_small_bundle_does_not_fill_the_memory(bundle: Path, ours: Shards, kind: str, said: str):
    """Only the records' and predictions' own limits could refuse it."""
    zeros = rewritten(bundle, lambda files: files.update({first_of(files, kind): bytes(2**26)}), packed=True)
    assert zeros.stat().st_size < 2**20
    assert said in limited(lambda: import_bundle(ours, zeros))


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a child process")
def test_scores_of_millions_of_stated_classes_take_no_memory():
    item, wanted = make_predictions(), split_scores(make_predictions(), 7)["macro_precision"] * 7 / 3e8
    assert limited(lambda: split_scores(item, 300_000_000)["macro_precision"]) == str(wanted)
    with pytest.raises(ValidationError, match="than or equal to 100000"):
        Score.model_validate(make_score("base", 0.5).model_dump() | {"n_classes": 300_000_000})


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a child process")
def test_image_keys_are_counted_before_they_are_made():
    tensors = safetensors.numpy.load(pack_predictions([make_predictions()]))
    tensors["base/images"] = np.full(2**26, ord("\n"), dtype=np.uint8)
    packed = safetensors.numpy.save(tensors)
    assert "67108865 image keys and 6 labels" in limited(lambda: unpack_predictions(packed))
    tensors = {name: np.zeros((1_000_001, *column.shape[1:]), column.dtype) for name, column in tensors.items()}
    with pytest.raises(DamagedError, match="1000001 images, and at most 1000000"):
        unpack_predictions(safetensors.numpy.save(tensors))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"garbage", "is not a difficulty record: incomplete or not a shard"),
        (float("nan"), "is not a difficulty record: .* is not a finite number"),
        ("spectrum_z", "is not a difficulty record: it is of spectrum_z for ViT-demo.drawn"),
    ],
)
def test_a_difficulty_that_is_none_or_of_another_dataset_is_refused(bundle: Path, tmp_path: Path, written, said: str):
    records = make_difficulty(dataset=written) if isinstance(written, str) else make_difficulty()
    if isinstance(written, float):
        records = [item.model_copy(update={"measures": dict.fromkeys(item.measures, written)}) for item in records]
    dataset = written if isinstance(written, str) else "spectrum_a"
    other = Shards(tmp_path / "other").difficulties
    other.write("ViT-demo.drawn", dataset, records)
    content = written if isinstance(written, bytes) else other.file("ViT-demo.drawn", dataset).read_bytes()

    changed = {"difficulty/ViT-demo.drawn/spectrum_a.json": content}
    refused(rewritten(bundle, lambda files: files.update(changed)), tmp_path, said)


def test_contradictions_of_a_record_with_itself_or_the_number_of_its_predictions_are_named():
    record, predictions = answered(1)
    assert contradiction(record, predictions) == ""
    fewer = [record.scores[0].model_copy(update={"n": 5}), record.scores[1]]
    assert "5, but there are predictions" in contradiction(record.model_copy(update={"scores": fewer}), predictions)
    other = record.model_copy(update={"spec": make_spec(seed=9)})
    assert "spec has the id" in contradiction(other, predictions)
    failed = make_record(make_spec(), status=RunStatus.FAILED, scores=[make_score("base", 0.5)])
    assert "failed run has scores" in contradiction(failed, [])


def test_the_commands(theirs: Shards, tmp_path: Path, etl):
    bundle, ours = str(tmp_path / "b.zip"), str(tmp_path / "ours")

    def runs(*words: str, folder: str = ours, code: int = 0) -> str:
        found, out, err = etl("runs", *words, "--runs", folder)
        assert found == code, err
        return out + err

    assert "2 runs and 1 difficulty" in runs("export", bundle, "--where", "seed < 3", folder=str(theirs.runs))
    assert "2 runs added, 0 already known, 1" in runs("import", bundle)
    assert "imported from" in runs("show", ids(Shards(Path(ours)))[0])
    assert "No run in" in runs("export", bundle + ".zip", "--where", "seed > 7", code=2)
    two = "true; drop table runs --"
    assert "2 SQL statements were given" in runs("export", bundle + ".zip", "--where", two, code=2)
