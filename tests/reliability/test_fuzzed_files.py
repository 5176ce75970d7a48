"""Files from outside with random damage: every reader gives an error of ours or an answer, and touches nothing else."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import safetensors.numpy
import torch
from bundle_files import ids, rewritten
from fake_runner import answered, make_difficulty
from hypothesis import HealthCheck, given, settings
from PIL import Image

from bench.experiment.bundle_import import import_results
from bench.experiment.features.imported_files import class_names, read_arrays
from bench.results.bundles import export_bundle, import_bundle
from bench.results.checksummed_json import encode_document
from bench.results.database import fresh_store
from bench.results.shards import Shards
from bench.sweep.launch.task_claims import Claims, living
from bench.sweep.sweep_files import read_sweep_file
from datasets_registry import BenchError, feature_bundle, read_coop_split
from datasets_registry._custom.dataset import read_custom_dataset
from datasets_registry._custom.listing_tables import guess_columns, list_table
from methods._backbones.loading import read_weights

ODD: list[Any] = [
    None, True, False, 0, -1, 1e308, float("nan"), float("inf"), 10**30, "", "a\x1b[2J", "../../x", "\ud800", "=1",
    [], {}, [[]], {"a": 1}, [None],
]  # fmt: skip


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with one to three flipped, cut, inserted, repeated or removed stretches."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        n = draw(st.integers(1, 64))
        what = draw(st.sampled_from(["flip", "cut", "insert", "repeat", "remove"]))
        if what == "flip" and at < len(content):
            content = content[:at] + bytes([content[at] ^ draw(st.integers(1, 255))]) + content[at + 1 :]
        elif what == "cut":
            content = content[:at]
        elif what == "insert":
            content = content[:at] + draw(st.binary(min_size=1, max_size=8)) + content[at:]
        elif what == "repeat":
            content = content[:at] + content[max(at - n, 0) :]
        else:
            content = content[:at] + content[at + n :]
    return content


@st.composite
def damaged_value(draw: st.DrawFn, value: Any) -> Any:
    """The JSON value with one to three entries that are removed or of another type."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        here = value
        while isinstance(here, dict | list) and here:
            key = draw(st.sampled_from(list(here) if isinstance(here, dict) else list(range(len(here)))))
            inner = here[key]
            if isinstance(inner, dict | list) and inner and draw(st.integers(0, 3)):
                here = inner
                continue
            if draw(st.booleans()):
                del here[key]
            else:
                here[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
            break
    return value


pytestmark = pytest.mark.slow  # tests of shards, bundles, stores and readers damage their files on purpose
few = settings(max_examples=40, derandomize=True, suppress_health_check=list(HealthCheck))
fewer = settings(few, max_examples=15)


@contextlib.contextmanager
def place(files: dict[str, bytes]) -> Iterator[Path]:
    """A folder `here` with these files beside one of somebody else, which must stay as it is."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "elsewhere").mkdir()
        (root / "elsewhere" / "a.json").write_text("{}")
        for path, content in files.items():
            target = root / "here" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        yield root / "here"
        assert sorted(path.name for path in root.iterdir()) == ["elsewhere", "here"]
        assert [path.name for path in (root / "elsewhere").iterdir()] == ["a.json"]


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a runs folder with two runs, a difficulty, a living process, an imported run and a database."""
    folder = tmp_path_factory.mktemp("valid")
    theirs, ours = Shards(folder / "theirs"), Shards(folder / "ours")
    theirs.write(*answered(1))
    export_bundle(theirs, ids(theirs), folder / "b.zip")
    import_bundle(ours, folder / "b.zip")
    ours.write(*answered(2))
    ours.difficulties.write("ViT-demo.drawn", "spectrum_a", make_difficulty())
    fresh_store(ours.runs)
    with Claims(ours.runs, "sweep"):
        return {name: content for name, content in tree(ours.runs).items() if not name.endswith(".lock")}


def read_runs(folder: Path) -> None:
    """What reading commands do with a runs folder."""
    shards = Shards(folder)
    for run_id in shards.scan():
        for read in (shards.record, shards.status, shards.read, shards.origin):
            with contextlib.suppress(BenchError):
                read(run_id)
    shards.difficulties.all()
    living(folder)


@few
@given(st.data())
def test_any_file_of_a_runs_folder(runs: dict[str, bytes], data: st.DataObject):
    name = data.draw(st.sampled_from(sorted(set(runs) - {"results.duckdb"})))
    with place(runs | {name: data.draw(damaged_bytes(runs[name]))}) as folder, contextlib.suppress(BenchError):
        read_runs(folder)


@few
@given(st.data())
def test_records_and_notes_of_other_values(runs: dict[str, bytes], data: st.DataObject):
    """Documents that are complete, with checksums that fit."""
    name = data.draw(st.sampled_from(sorted(name for name in runs if name.endswith(".json"))))
    document = json.loads(runs[name])
    if "record" in document:
        record = data.draw(damaged_value(document.pop("record")))
        del document["record_sha256"]
        content = encode(document, record)
    else:
        content = json.dumps(data.draw(damaged_value(document))).encode()
    with place(runs | {name: content}) as folder, contextlib.suppress(BenchError):
        read_runs(folder)


def encode(document: dict[str, Any], record: object) -> bytes:
    try:
        return encode_document(document, record)
    except (UnicodeEncodeError, ValueError):  # lone surrogates and nan have no canonical form
        return json.dumps(document | {"record": record, "record_sha256": hashlib.sha256(b"").hexdigest()}).encode()


@fewer
@given(st.data())
def test_a_database(runs: dict[str, bytes], data: st.DataObject):
    """Shards that do not load are left out by name; a damaged database is an error or is replaced."""
    content = data.draw(damaged_bytes(runs["results.duckdb"]))
    with place(runs | {"results.duckdb": content}) as folder, contextlib.suppress(BenchError):
        fresh_store(folder).runs_frame()


@fewer
@given(st.data())
def test_a_record_on_its_way_into_the_database(runs: dict[str, bytes], data: st.DataObject):
    name = data.draw(st.sampled_from(sorted(n for n in runs if n.startswith("shards/") and n.endswith(".json"))))
    document = json.loads(runs[name])
    record = data.draw(damaged_value(document.pop("record")))
    del document["record_sha256"]
    with place(runs | {name: encode(document, record)}) as folder, contextlib.suppress(BenchError):
        fresh_store(folder).runs_frame()


@few
@given(st.data())
def test_the_bytes_of_a_bundle(bundle: bytes, data: st.DataObject):
    with place({"b.zip": data.draw(damaged_bytes(bundle))}) as folder:
        with contextlib.suppress(BenchError):
            import_bundle(Shards(folder / "runs"), folder / "b.zip")
        assert {path.name for path in folder.iterdir()} <= {"b.zip", "runs"}


@fewer
@given(st.data())
def test_a_bundle_with_honest_digests(bundle: bytes, data: st.DataObject):
    def change(files: dict[str, bytes]) -> None:
        name = data.draw(st.sampled_from(sorted(files)))
        if name.endswith(".json") and data.draw(st.booleans()):
            document = json.loads(files[name])
            if "record" in document:
                record = data.draw(damaged_value(document.pop("record")))
                del document["record_sha256"]
                files[name] = encode(document, record)
            else:
                files[name] = json.dumps(data.draw(damaged_value(document))).encode()
        else:
            files[name] = data.draw(damaged_bytes(files[name]))

    with place({"b.zip": bundle}) as folder:
        try:
            forged = rewritten(folder / "b.zip", change)
        except (ValueError, KeyError, TypeError, AttributeError):  # the list itself was damaged
            return
        with contextlib.suppress(BenchError):
            import_results(Shards(folder / "runs"), forged)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("bundle")
    shards = Shards(folder / "runs")
    shards.write(*answered(1))
    shards.difficulties.write("ViT-demo.drawn", "spectrum_a", make_difficulty())
    export_bundle(shards, ids(shards), folder / "b.zip")
    return (folder / "b.zip").read_bytes()


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **ARRAYS)
    return buffer.getvalue()


def checkpoint() -> bytes:
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(2, 3), "b": torch.zeros(4)}, buffer)
    return buffer.getvalue()


ARRAYS = {"text_features": np.ones((2, 4), np.float32), "test_labels": np.arange(3)}
NAMES = ["cat", "dog", "a\u00e4"]
SWEEP = b'methods = ["coop", "apex"]\nshots = "1,2"\nseeds = "1-3"\nset = ["coop.n_ctx=4"]\n[plan]\nruns = 3\n'
SPLIT = {part: [[f"c/{part}{i}.png", i, f"class {i}"] for i in range(3)] for part in ("train", "val", "test")}
READERS: dict[str, tuple[str, bytes, Callable[[Path], object]]] = {
    "features, npz": ("f.npz", npz(), read_arrays),
    "features, safetensors": ("f.safetensors", safetensors.numpy.save(ARRAYS), read_arrays),
    "class names, JSON": ("names.json", json.dumps(NAMES).encode(), class_names),
    "class names, text": ("names.txt", "\n".join(NAMES).encode(), class_names),
    "a sweep file": ("sweep.toml", SWEEP, read_sweep_file),
    "a split file": ("split.json", json.dumps(SPLIT).encode(), read_coop_split),
    "weights, safetensors": ("w.safetensors", safetensors.numpy.save(ARRAYS), read_weights),
    "weights, checkpoint": ("w.pt", checkpoint(), read_weights),
}


@pytest.mark.parametrize("reader", READERS)
@few
@given(st.data())
def test_bytes_of_single_files(reader: str, data: st.DataObject):
    name, content, read = READERS[reader]
    with place({name: data.draw(damaged_bytes(content))}) as folder:
        before = tree(folder)
        with contextlib.suppress(BenchError):
            read(folder / name)
        assert tree(folder) == before


@few
@given(damaged_value(SPLIT))
def test_values_of_a_split_file(split: Any):
    with place({"split.json": json.dumps(split).encode()}) as folder, contextlib.suppress(BenchError):
        read_coop_split(folder / "split.json")


@pytest.mark.parametrize("name", ["names.json", "sweep.toml", "split.json", "bundle.json"])
def test_values_nested_without_end(name: str):
    deep = b"a = " + b"[" * 100_000 if name.endswith("toml") else b"[" * 100_000
    read = {
        "names.json": class_names,
        "sweep.toml": read_sweep_file,
        "split.json": read_coop_split,
        "bundle.json": lambda path: feature_bundle.FeatureBundle(path.parent),
    }[name]
    with place({name: deep}) as folder, pytest.raises(BenchError):
        read(folder / name)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a feature bundle."""
    part = np.ones((3, 4), np.float32), np.array([0, 1, 1])
    made = feature_bundle.import_feature_bundle(
        name="mine", backbone="toy", class_names=["a", "b"], text_features=np.ones((2, 4), np.float32),
        splits={"train": part, "test": part}, home=tmp_path_factory.mktemp("home"),
    )  # fmt: skip
    return tree(made.folder)


@few
@given(st.data())
def test_a_feature_bundle(features: dict[str, bytes], data: st.DataObject):
    name = data.draw(st.sampled_from(sorted(features)))
    files = features | {name: data.draw(damaged_bytes(features[name]))}
    if data.draw(st.booleans()):  # with a checksum and facts that fit the arrays
        facts = json.loads(features["bundle.json"]) | {"sha256": hashlib.sha256(files["arrays.npz"]).hexdigest()}
        files["bundle.json"] = json.dumps(data.draw(st.just(facts) | damaged_value(facts))).encode()
    with place(files) as folder, contextlib.suppress(BenchError):
        feature_bundle.FeatureBundle(folder).info().reader(folder)


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@few
@given(st.data())
def test_a_table(suffix: str, data: st.DataObject):
    rows = [["path", "label", "split"], *([f"images/{i}.png", f"class {i % 2}", "train"] for i in range(4))]
    text = "\n".join(("," if suffix == "csv" else "\t").join(row) for row in rows).encode()
    with place({f"t.{suffix}": data.draw(damaged_bytes(text)), **pictures()}) as folder:
        before = tree(folder)
        with contextlib.suppress(BenchError):
            table = folder / f"t.{suffix}"
            list_table(table, guess_columns(table, {}), root=folder)
        assert tree(folder) == before


@few
@given(st.data())
def test_a_parquet_table(parquet: bytes, data: st.DataObject):
    with place({"t.parquet": data.draw(damaged_bytes(parquet)), **pictures()}) as folder:
        before = tree(folder)
        with contextlib.suppress(BenchError):
            table = folder / "t.parquet"
            list_table(table, guess_columns(table, {}), root=folder)
        assert tree(folder) == before


@pytest.fixture(scope="module")
def parquet() -> bytes:
    columns = {"path": [f"images/{i}.png" for i in range(4)], "label": [f"class {i % 2}" for i in range(4)]}
    buffer = io.BytesIO()
    pa.parquet.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


CUSTOM = b'images = "t.csv"\ntemplate = "a photo of a {}."\nkind = "table"\nsplit = "hash"\n[columns]\npath = "p"\n'


@few
@given(damaged_bytes(CUSTOM))
def test_a_custom_dataset(content: bytes):
    with place({"mine.toml": content}) as folder, contextlib.suppress(BenchError):
        info = read_custom_dataset(folder / "mine.toml")
        info.reader(folder)


def pictures() -> dict[str, bytes]:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    return {f"images/{i}.png": buffer.getvalue() for i in range(4)}
