"""Feature packs: a run from a pack is the run from images, and what a pack lacks is refused before any work."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_files import rewritten
from small_datasets import write_dataset
from sweep_requests import sweep_over

from bench.context import RunContext
from bench.errors import BenchError, UsageError
from bench.experiment import load_task, runner
from bench.extension import open_pack
from bench.extensions.packs import StoredPack, check_pack, make_pack
from bench.extensions.packs.contents import PACK
from bench.results import Shards, open_archive, write_archive
from bench.spec import ExperimentSpec
from bench.sweep import DEMO_BACKBONE, SweepRequest, expand
from datasets_registry import (
    COLLECTIONS,
    CoopReader,
    DatasetSplits,
    EvalProtocol,
    FewShotTask,
    Sample,
    ShotsError,
    UnknownNameError,
    list_datasets,
)

TINY = "ViT-tiny.random"
SYNTHETIC = [f"{info.name}:test=1" for info in list_datasets() if info.synthetic and info.name != "spectrum"]


def made(folder: Path, names: list[str], methods: str = "", **options: object) -> Path:
    given = {"shots": 1, "seeds": 2, "cache": folder / "cache", "device": "cpu"} | options
    return make_pack(names, TINY, folder / "some.pack", methods=methods, **given).path


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of two datasets for methods that read augmented views."""
    names = ["spectrum_basic:test=2", "spectrum_words:test=2"]
    return made(tmp_path_factory.mktemp("two"), names, "tip_adapter")


def compared(tmp_path: Path, pack: Path, methods: str, names: list[str], **options: object) -> int:
    """The number of runs, after a comparison of those from the pack with those from images."""
    given = {"shots": (1,), "seeds": (1, 2), "protocol": EvalProtocol.FEW_SHOT} | options
    request = sweep_over(methods.split(","), names, [TINY], **given)
    from_pack = SweepRequest.build(**request.model_dump() | {"pack": pack, "data_root": None})
    specs = expand(request).specs
    assert [spec.run_id for spec in expand(from_pack).specs] == [spec.run_id for spec in specs]
    images = RunContext(data_root=request.data_root, cache_dir=tmp_path / "another-cache")
    for spec in specs:
        theirs, predicted = runner.run_experiment(spec, images)
        ours, found = runner.run_experiment(spec, RunContext(pack=pack))
        assert (ours.scores, ours.open, ours.final_loss) == (theirs.scores, theirs.open, theirs.final_loss)
        assert [as_plain(one) for one in found] == [as_plain(one) for one in predicted]
        assert ours.provenance.support_digests == theirs.provenance.support_digests
        assert ours.provenance.backbone_digest == theirs.provenance.backbone_digest
        assert (ours.provenance.pack, theirs.provenance.pack) == (open_pack(pack).digest, None)
    return len(specs)


def as_plain(value: Any) -> Any:
    """Columns as bytes, also those of a part."""
    if is_dataclass(value):
        return {one.name: as_plain(getattr(value, one.name)) for one in fields(value)}
    return value.tobytes() if isinstance(value, np.ndarray) else value


@pytest.fixture(scope="module")
def eleven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of all synthetic datasets."""
    return made(tmp_path_factory.mktemp("eleven"), SYNTHETIC, "tip_adapter", seeds=1)


def test_all_synthetic_datasets_are_in_the_pack(eleven: Path) -> None:
    assert check_pack(eleven).contents.names == SYNTHETIC
    assert len(SYNTHETIC) == 11


@pytest.mark.parametrize("name", SYNTHETIC)
def test_runs_on_a_synthetic_dataset_are_those_from_images(name: str, eleven: Path, tmp_path: Path) -> None:
    assert compared(tmp_path, eleven, "zero_shot,tip_adapter", [name], seeds=(1,)) == 2


def test_a_training_on_augmented_views_and_new_classes(tmp_path: Path) -> None:
    """`text_adapter` reads another view in each epoch; base-to-new has an open score."""
    names, protocol = ["spectrum_basic:test=2"], EvalProtocol.BASE_TO_NEW
    pack = made(tmp_path, names, "text_adapter", protocol="base-to-new")
    assert compared(tmp_path, pack, "zero_shot,text_adapter", names, protocol=protocol) == 3


def test_files_on_disk_and_other_datasets(tmp_path: Path) -> None:
    """Digests and keys are those of files, and a transfer reads the targets of the pack."""
    for name in ("eurosat", "dtd"):
        write_dataset(tmp_path / "data", name)
    pack = made(tmp_path, ["eurosat", "dtd"], data_root=tmp_path / "data")
    root = tmp_path / "data"
    assert compared(tmp_path, pack, "zero_shot,linear_probe,cross_modal", ["eurosat"], data_root=root) == 5
    transfer = {"protocol": EvalProtocol.CROSS_DATASET, "targets": ["dtd"], "data_root": root}
    assert compared(tmp_path, pack, "zero_shot", ["eurosat"], **transfer) == 1


def test_a_run_reads_a_pack_that_has_replaced_another(tmp_path: Path) -> None:
    """Also the class texts, which a run reads through the backbone."""
    names, options = ["spectrum_basic:test=1"], {"protocol": EvalProtocol.FEW_SHOT, "shots": (1,), "seeds": (1,)}
    (spec,) = expand(sweep_over(["zero_shot"], names, [TINY], **options)).specs
    place = made(tmp_path, names)
    first, _ = runner.run_experiment(spec, RunContext(pack=place))

    def opposite(files: dict[str, bytes]) -> None:
        files["0-texts.f32"] = (-np.frombuffer(files["0-texts.f32"], dtype="<f4")).tobytes()

    rewritten(place, opposite, honest_list=True, kind=PACK).replace(place)
    second, _ = runner.run_experiment(spec, RunContext(pack=place))
    fresh, _ = runner.run_experiment(spec, RunContext(pack=place.replace(tmp_path / "new.pack")))
    assert second.scores == fresh.scores != first.scores
    assert second.provenance.pack == fresh.provenance.pack != first.provenance.pack


def test_difficulties_are_those_from_images(tmp_path: Path, two: Path) -> None:
    name = "spectrum_words:test=2"
    context = RunContext(cache_dir=None)
    ours = runner.measure_difficulty(TINY, name, context.model_copy(update={"pack": two}))
    theirs = runner.measure_difficulty(TINY, name, context)
    assert [one.measures for one in ours] == [one.measures for one in theirs]
    assert {one.backbone_digest for one in ours} == {one.backbone_digest for one in theirs}


def test_equal_packs_have_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        made(tmp_path / name, ["spectrum_basic:test=1"])
    first, second = (tmp_path / name / "some.pack" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_a_pack_says_what_it_has(two: Path, etl) -> None:
    pack = check_pack(two)
    assert isinstance(pack, StoredPack)
    facts = pack.contents.datasets[0]
    assert (facts.seeds, facts.shots, {one.count for one in facts.views}) == ((1, 2), ("1",), {10})
    code, out, _ = etl("datasets", "check-pack", str(two))
    assert code == 0
    assert {"spectrum_words:test=2", "MIT", pack.digest[:12]} <= set(out.replace(",", " ").split())
    rows = pack.splits("spectrum_basic:test=2").images.rows(["0/28"], "center.v1")
    assert rows.dtype == np.float32


LACKS = {
    "-m coop": "images",
    "-m tip_adapter --seeds 3,": "seeds 1, 2",
    "-m tip_adapter --shots 2": "shots 1",
    "-m clip_adapter": "-m clip_adapter",
    "-m zero_shot --set zero_shot.ensemble=select7": "class texts",
    "-m zero_shot -b ViT-demo.drawn": TINY,
    "-m zero_shot --precision bf16": "fp32",
    "-m zero_shot --class-text ensemble:select7": "--class-text",
    "-m zero_shot --keep-models all": "--keep-models",
    "-m rehark --unlabelled train": "unlabelled",
    "-m tda --protocol test-time --set tda.views=3": "views",
    "-m zero_shot -d dtd": "spectrum_basic",
    "-m zero_shot --pack nothing.pack": "nothing.pack",
}


@pytest.mark.parametrize("words", LACKS)
def test_what_a_pack_lacks_is_refused_in_one_line(words: str, two: Path, etl, tmp_path: Path) -> None:
    given = [
        "--pack",
        str(two),
        "-d",
        "spectrum_basic:test=2",
        "--shots",
        "1",
        "--seeds",
        "1",
        "--protocol",
        "few-shot",
    ]
    asked = words.split()
    for option in asked[::2]:
        if option in given:
            del given[given.index(option) : given.index(option) + 2]
    code, out, error = etl("run", *given, *asked, "--runs", str(tmp_path / "runs"), "--jobs", "0")
    assert (code, out, len(error.splitlines())) == (2, "", 1), error
    assert LACKS[words] in error
    assert not (tmp_path / "runs").exists()


def test_the_images_that_a_run_lacks_are_named(two: Path, tmp_path: Path) -> None:
    """A run with a pool may lack other images than those of the pool."""
    options = {"protocol": EvalProtocol.FEW_SHOT, "shots": (1,), "seeds": (1,), "unlabelled": "train"}
    (spec,) = expand(sweep_over(["rehark"], ["spectrum_basic:test=2"], [TINY], **options)).specs
    pack, task = open_pack(two), load_task(spec, RunContext(pack=two))
    assert "unlabelled images" in (pack.lacks(spec, task) or "")
    held = replace(task, pool=replace(task.pool, keys=tuple(sample.key for sample in task.support.samples)))
    validation = replace(task.validation, images=task.support.images, samples=(Sample("absent", 0),))
    said = pack.lacks(spec, replace(held, validation=validation)) or ""
    assert "images of spectrum_basic:test=2" in said
    assert "unlabelled" not in said


def test_what_is_lacking_on_one_dataset_runs_on_the_others(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names, lacks = ["spectrum_basic:test=2", "spectrum_words:test=2"], StoredPack.lacks

    def lacking(self: StoredPack, spec: ExperimentSpec, task: FewShotTask) -> str | None:
        first = (spec.dataset, spec.seed) == (names[0], 1)
        return "it reads more views" if first else lacks(self, spec, task)

    monkeypatch.setattr(StoredPack, "lacks", lacking)
    request = SweepRequest.build(
        methods=["tip_adapter"], datasets=names, pack=two, shots=1, seeds=2, protocol="few-shot"
    )
    expansion = expand(request)
    assert [(spec.dataset, spec.seed) for spec in expansion.specs] == [(names[0], 2), (names[1], 1), (names[1], 2)]
    assert [names[0] in one.what for one in expansion.rejected] == [True]


def test_a_refusal_loads_no_torch(two: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom bench.errors import BenchError\nfrom bench.sweep import SweepRequest, expand\n"
        "asked = {'methods': 'coop', 'datasets': 'spectrum_basic:test=2', 'shots': 1, 'seeds': 1}\n"
        f"request = SweepRequest.build(pack={str(two)!r}, **asked)\n"
        "try:\n    expand(request)\nexcept BenchError as error:\n    print('torch' in sys.modules, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False Cannot run coop")


def test_methods_that_a_pack_can_run_do(two: Path, etl, tmp_path: Path) -> None:
    """The rest of a request runs, with the exit code of one that is not whole."""
    words = "-m zero_shot,maple -d spectrum_basic:test=2 --seeds 1 --shots 1 --protocol few-shot --jobs 0"
    code, _, error = etl("run", "--pack", str(two), *words.split(), "--runs", str(tmp_path / "runs"))
    assert (code, "maple" in error) == (3, True)
    assert len(Shards(tmp_path / "runs").scan()) == 1


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"backbone": "ViT-B-16=own.pt,quickgelu"}, UsageError, "one of open_clip or the hub"),
        ({"backbone": "features.mine"}, UnknownNameError, "Unknown backbone 'mine'"),
        ({"backbone": f"{TINY},{DEMO_BACKBONE}"}, UsageError, "several backbones"),
        ({"methods": "coop"}, UsageError, "-m coop: it reads images"),
        ({"out": "some.zip"}, UsageError, "ends in .zip"),
        ({"names": "nothing"}, UnknownNameError, "Unknown dataset 'nothing'"),
        ({"shots": 1000}, ShotsError, "Use at most 24 shots"),
        ({"draw": "file:own.json"}, UsageError, "--draw file:own.json"),
        ({"protocol": "cross-dataset"}, UsageError, "--protocol few-shot"),
        ({"protocol": "domain-generalization"}, UsageError, "--protocol few-shot"),
        ({"methods": "clip_adapter", "seeds": 600}, UsageError, "120,004 files"),
    ],
)
def test_what_no_pack_can_have_is_refused(
    options: dict[str, object], error: type[BenchError], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.pt").touch()
    given = {"names": "spectrum_basic", "backbone": TINY, "out": "some.pack"} | options
    with pytest.raises(error) as refused:
        make_pack(**given)
    assert said in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["own.pt"]


def test_a_dataset_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(tmp_path / "data", "eurosat")
    read, reader = [], CoopReader.__call__

    def noted(self: CoopReader, *given: Any) -> DatasetSplits:
        read.append(self.dataset)
        return reader(self, *given)

    monkeypatch.setattr(CoopReader, "__call__", noted)
    made(tmp_path, ["eurosat"], data_root=tmp_path / "data")
    assert read == ["eurosat"]


def test_as_many_views_are_read_as_are_written(tmp_path: Path) -> None:
    """Thirty datasets with three seeds and the views of 200 epochs."""
    names = [f"0-0-{i}.f32" for i in range(30 * 3 * 200)]
    write_archive(PACK, ((name, b"") for name in names), tmp_path / "some.pack", packed=False)
    with open_archive(PACK, tmp_path / "some.pack") as archive:
        assert sorted(archive.names) == sorted(names)


def test_zero_shot_may_be_among_the_methods(tmp_path: Path) -> None:
    names = ["spectrum_basic:test=1"]
    packs = [check_pack(made(tmp_path / str(i), names, some)) for i, some in enumerate(["", "zero_shot"])]
    assert packs[0].digest == packs[1].digest


def test_the_datasets_of_a_collection_are_named_with_all_of(tmp_path: Path) -> None:
    for name in ("eurosat", "dtd"):
        write_dataset(tmp_path / "data", name)
    pack = made(tmp_path, ["all-of", "coop"], data_root=tmp_path / "data")
    assert check_pack(pack).contents.names == [name for name in COLLECTIONS["coop"] if name in ("eurosat", "dtd")]


def test_datasets_that_are_not_here_are_left_out_with_their_reason(tmp_path: Path) -> None:
    write_dataset(tmp_path / "data", "eurosat")
    lines: list[str] = []
    pack = make_pack(
        "eurosat,dtd", TINY, tmp_path / "a.pack", shots=1, seeds=1, data_root=tmp_path / "data",
        cache=tmp_path / "cache", device="cpu", progress=lines.append,
    )  # fmt: skip
    assert pack.contents.names == ["eurosat"]
    assert any("dtd" in line for line in lines)
