"""Switches of the arithmetic on CUDA, facts about a GPU, and the absence of CUDA calls in a run on the CPU.

There is no GPU here, so torch's answers about one are pretended.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from parity_kit import tiny_backbone
from tiny_runs import one_spec

from bench.context import RunContext
from bench.errors import TrainingMemoryError
from bench.experiment import runner
from bench.experiment.accelerator import await_free_memory, device_arithmetic, gpu_facts, synchronize
from bench.experiment.features import frozen_features as image_passes
from bench.experiment.features.frozen_features import FeatureStore, FrozenTexts
from bench.experiment.features.inputs import Inputs
from bench.record import Provenance
from bench.results import environment
from bench.spec import ExperimentSpec
from bench.sweep.launch.task_executor import ran_out_of_memory
from methods import Backbone, Precision

CUDA = torch.device("cuda", 0)


def switches() -> tuple[bool, bool, bool]:
    return (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.are_deterministic_algorithms_enabled(),
    )


@pytest.fixture(autouse=True)
def before() -> Iterator[tuple[bool, bool, bool]]:
    """The switches of the process, which a test leaves as they are."""
    yield (found := switches())
    assert switches() == found
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("precision", "tf32"), [(Precision.FP32, False), (Precision.TF32, True), (Precision.BF16, False)]
)
def test_cuda_computes_in_the_chosen_precision_and_repeatably(
    precision: Precision, tf32: bool, before: tuple[bool, bool, bool]
) -> None:
    with device_arithmetic("cuda", precision):
        assert switches() == (tf32, tf32, True)
    with pytest.raises(ZeroDivisionError), device_arithmetic("cuda", precision):
        raise ZeroDivisionError
    with device_arithmetic("cpu", precision):
        assert switches() == before


@pytest.fixture
def forbidden_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has a GPU, of which every use is an error."""

    def used(*_: Any, **__: Any) -> None:
        raise AssertionError("CUDA is used")

    for name in (
        "synchronize", "init", "_lazy_init", "current_device", "device_count", "get_device_name", "mem_get_info",
        "get_device_capability", "get_device_properties", "memory_allocated", "max_memory_allocated", "set_device",
        "reset_peak_memory_stats", "current_stream", "empty_cache",
    ):  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, used)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


def short_spec(method: str = "clip_adapter") -> ExperimentSpec:
    return one_spec(method, f"{method}.recipe.epochs=1", shots=(1,))


@pytest.mark.parametrize("method", ["clip_adapter", "vpt"])
@pytest.mark.usefixtures("forbidden_cuda")
def test_a_run_on_the_cpu_does_not_touch_a_gpu(method: str, tmp_path: Path) -> None:
    record, _ = runner.run_experiment(short_spec(method), RunContext(cache_dir=tmp_path))
    assert record.provenance.gpu is None
    assert "gpu" not in record.provenance.model_dump()
    assert record.provenance.device_class == "cpu"


def test_waiting_is_for_the_device_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    synchronize(torch.device("cpu"))
    synchronize(torch.device("cuda", 1))
    assert waited == [torch.device("cuda", 1)]


@pytest.fixture
def pretended_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _=None: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _=None: "NVIDIA H100 80GB HBM3")
    monkeypatch.setattr("bench.experiment.accelerator.gpu_driver", lambda: "570.1")


@pytest.mark.usefixtures("pretended_gpu")
def test_the_record_says_which_gpu_with_which_switches() -> None:
    with device_arithmetic("cuda", Precision.TF32):
        facts = gpu_facts(CUDA)
    assert (facts.name, facts.capability, facts.driver) == ("NVIDIA H100 80GB HBM3", "9.0", "570.1")
    assert (facts.tf32, facts.deterministic) == (True, True)
    with device_arithmetic("cuda", Precision.FP32):
        exact = gpu_facts(CUDA)
    assert (exact.tf32, exact.deterministic) == (False, True)
    made = environment.collect_provenance(
        method="coop", backbone_digest="b", support_digests=[], device="cuda:0", threads=1, gpu=facts
    )
    assert made.device_class == "NVIDIA H100 80GB HBM3"
    assert Provenance.model_validate_json(made.model_dump_json()) == made


@pytest.mark.usefixtures("pretended_gpu")
def test_features_of_cpu_and_gpu_never_meet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    backbone = copy(tiny_backbone())
    by_device = {"cpu": image_passes.ENCODE_BATCH, "cuda": 128}
    monkeypatch.setattr(image_passes, "images_per_pass", lambda backbone: by_device[backbone.device.type])

    def folders() -> set[str]:
        FrozenTexts(backbone.digest, tmp_path, backbone.arithmetic)(["a"], lambda: torch.zeros(1, 4))
        store = FeatureStore(backbone, tmp_path)
        return {store.folder.name, store.unprojected().folder.name}  # type: ignore[union-attr]

    def kinds(names: set[str]) -> set[str]:
        return {name.partition("-")[2] for name in names}

    assert kinds(folders()) == {"fp32", "fp32-pooled"}
    monkeypatch.setattr(Backbone, "device", CUDA)
    assert kinds(folders()) == {"fp32.cuda90x128", "fp32.cuda90x128-pooled"}
    backbone.precision = Precision.TF32
    assert kinds(folders()) == {"tf32.cuda90x128", "tf32.cuda90x128-pooled"}
    monkeypatch.setattr(Backbone, "device", torch.device("mps"))
    assert backbone.arithmetic == "tf32.mps"
    written = {folder.name.partition("-")[2] for folder in (tmp_path / "features").iterdir()}
    assert {"fp32-text", "fp32.cuda90-text", "tf32.cuda90-text"} <= written


def test_a_driver_that_does_not_answer_has_no_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.gpu_driver.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.gpu_driver() is None
    environment.gpu_driver.cache_clear()


def test_an_evaluation_that_does_not_fit_is_halved_without_training_again(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, expected = runner.run_experiment(short_spec(), RunContext(eval_batch=16))
    trainings, sizes = [], []
    fit, batches = runner.fit, Inputs.evaluation_batches

    def counted_fit(*parts: Any, **given: Any) -> Any:
        trainings.append(1)
        return fit(*parts, **given)

    def small_only(self: Inputs, images: Any, samples: Any, needs: Any, size: int, **options: Any) -> Any:
        sizes.append(size)
        if size > 16:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return batches(self, images, samples, needs, size, **options)

    monkeypatch.setattr(runner, "fit", counted_fit)
    monkeypatch.setattr(Inputs, "evaluation_batches", small_only)
    record, predictions = runner.run_experiment(short_spec(), RunContext(eval_batch=100))
    assert len(trainings) == 1
    assert sizes[:4] == [100, 50, 25, 12]
    assert record.provenance.eval_batch == 12
    assert [score.accuracy for score in record.scores] == [score.accuracy for score in plain.scores]
    assert len(predictions) == len(expected)
    assert record.cost.candidate_evaluations == plain.cost.candidate_evaluations  # type: ignore[union-attr]


def test_one_image_that_does_not_fit_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise MemoryError("too large")

    monkeypatch.setattr(Inputs, "evaluation_batches", never)
    with pytest.raises(MemoryError, match="too large") as failed:
        runner.run_experiment(short_spec(), RunContext())
    assert not isinstance(failed.value, TrainingMemoryError)


def test_a_training_that_does_not_fit_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise RuntimeError("CUDA out of memory. Tried to allocate 9 GiB\nmore")

    monkeypatch.setattr(runner, "fit", full)
    batch = short_spec().recipe["batch_size"]  # type: ignore[index]
    with pytest.raises(
        TrainingMemoryError,
        match=r"while training: CUDA out of memory\. Tried to allocate 9 GiB What helps: .*--precision bf16, "
        rf"--set clip_adapter\.recipe\.batch_size={batch // 2}",
    ) as failed:
        runner.run_experiment(short_spec(), RunContext())
    assert ran_out_of_memory(failed.value)


@pytest.mark.usefixtures("forbidden_cuda")
def test_free_memory_is_awaited_for_a_time_on_a_gpu_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await_free_memory("cpu")
    frees, slept = [1, 2**29, 2**31], []
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (frees.pop(0), 2**33))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 2**31)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    monkeypatch.setattr("bench.experiment.accelerator.time.sleep", slept.append)
    await_free_memory("cuda")
    assert (frees, slept, caplog.text) == ([], [1.0, 1.0], "")
    frees.append(0)
    monkeypatch.setattr("bench.experiment.accelerator.WAIT_SECONDS", -1.0)
    await_free_memory("cuda:1")
    assert "0.0 GiB of free memory" in caplog.text
