"""Cross-dataset and domain generalization, from the axes to the page: one training, many scored datasets."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_runner import make_record, make_score, make_spec
from page_data import everything_of
from small_datasets import write_dataset, write_imagenet
from sweep_requests import changed, sweep_over

from bench.analysis.leaderboard import Leaderboard
from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.context import RunContext
from bench.errors import ImpossibleCombinationError, UsageError
from bench.experiment.runner import run_experiment
from bench.papers.catalogue import registered
from bench.record import RunError, RunStatus
from bench.results.database import Store
from bench.results.shards import Shards
from bench.spec import ExperimentSpec
from bench.sweep import SweepRequest, expand, plan_runs
from datasets_registry import EvalProtocol
from methods import METHODS
from reports import render_site
from reports.presenters.content import PageContent
from reports.presenters.site import site_view

CROSS, DOMAIN = EvalProtocol.CROSS_DATASET, EvalProtocol.DOMAIN_GENERALIZATION
TINY = "ViT-tiny.random"
AXES = sweep_over(["coop"], ["eurosat"], [TINY], protocol=CROSS, shots=(2,), seeds=(1,), targets=("dtd",))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_dataset(root, "eurosat")
    write_dataset(root, "dtd")
    write_imagenet(root)
    return root


@pytest.fixture
def grow(data: Path):
    def grow(**changes: object) -> tuple[ExperimentSpec, ...]:
        return expand(changed(AXES, **changes, data_root=data)).specs  # type: ignore[arg-type]

    return grow


class TestPlanning:
    def test_a_spec_names_its_source_and_its_targets(self, grow):
        (spec,) = grow(targets=("imagenet_r", "dtd"))
        assert (spec.dataset, spec.targets, spec.protocol) == ("eurosat", ("dtd", "imagenet_r"), CROSS)
        assert "eurosat to 2 targets" in spec.label()
        assert ExperimentSpec.model_validate_json(spec.model_dump_json()).run_id == spec.run_id

    def test_the_order_of_targets_is_no_part_of_the_question_but_their_set_is(self, grow):
        ids = [grow(targets=t)[0].run_id for t in (("dtd", "imagenet_r"), ("imagenet_r", "dtd"), ("dtd",))]
        assert ids[0] == ids[1] != ids[2]

    def test_the_source_itself_is_no_target(self, grow):
        both = grow(datasets=["eurosat", "dtd"], targets=("eurosat", "dtd"))
        assert [(spec.dataset, spec.targets) for spec in both] == [("eurosat", ("dtd",)), ("dtd", ("eurosat",))]

    def test_domain_generalization_takes_imagenets_four_variants(self, grow):
        (spec,) = grow(datasets=["imagenet"], protocol=DOMAIN, targets=())
        assert spec.targets == ("imagenet_a", "imagenet_r", "imagenet_sketch", "imagenet_v2")
        assert spec.draw == "coop-sorted"

    def test_a_target_with_classes_of_its_own_is_refused_there(self, grow):
        with pytest.raises(ImpossibleCombinationError, match="'dtd' has the class"):
            grow(datasets=["imagenet"], protocol=DOMAIN)

    def test_a_test_only_dataset_is_no_source(self, grow):
        with pytest.raises(ImpossibleCombinationError, match="'imagenet_a' is test-only"):
            grow(datasets=["imagenet_a"])

    def test_closed_vocabularies_are_refused(self, grow):
        closed = ["coop.class_specific=true", "coop.ctx_init="]
        for protocol, source, targets in ((CROSS, "eurosat", ("dtd",)), (DOMAIN, "imagenet", ())):
            with pytest.raises(ImpossibleCombinationError, match="other datasets of .*few-shot"):
                grow(overrides=closed, protocol=protocol, datasets=[source], targets=targets)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"protocol": EvalProtocol.FEW_SHOT},
                "--targets dtd has no effect with few-shot",
            ),
            ({"targets": ()}, "Protocol cross-dataset needs --targets, the test datasets"),
            ({"targets": ("dtd", "dtd")}, "--targets dtd,dtd names one twice"),
        ],
    )
    def test_targets_that_make_no_sense_are_refused(self, grow, changes, message: str):
        with pytest.raises(UsageError, match=message):
            grow(**changes)

    def test_a_named_target_that_is_not_there_is_refused_and_a_pattern_goes_on(self, grow):
        with pytest.raises(ImpossibleCombinationError, match="oxford_pets: No folder"):
            grow(targets=("dtd", "oxford_pets"))
        (spec,) = grow(targets=("d*", "ox*"))
        assert spec.targets == ("dtd",)
        with pytest.raises(ImpossibleCombinationError, match="none of the targets"):
            grow(targets=("ox*",))

    def test_difficulty_is_measured_on_targets_too(self, data: Path, tmp_path: Path):
        made = plan_runs(expand(changed(AXES, data_root=data)), Shards(tmp_path))
        assert made.difficulties == ((TINY, "eurosat"), (TINY, "dtd"))

    def test_reused_settings_say_so(self):
        for name in METHODS:
            info = METHODS.get(name).info
            for protocol in (CROSS, DOMAIN):
                recipe = info.recipe_for(protocol)
                assert (recipe is None) == (not info.recipes), name
                if recipe is not None and protocol not in info.recipes:
                    assert recipe.source.endswith(f", reused for {protocol}")


def boards_of(runs: Path) -> list[Leaderboard]:
    store = Store(runs)
    store.ingest()
    frame = store.runs_frame()
    return [build_leaderboard(frame, setting) for setting in board_settings(frame)]


def transfer_spec(**changes: object) -> ExperimentSpec:
    values = {"protocol": CROSS, "dataset": "imagenet", "targets": ("dtd", "eurosat"), "draw": "coop-sorted"}
    return make_spec(**(values | changes))


class TestBoard:
    def test_the_average_is_over_the_targets_without_the_source(self, tmp_path: Path):
        scores = [make_score("all", 0.9), make_score("dtd", 0.4), make_score("eurosat", 0.6)]
        Shards(tmp_path).write(make_record(transfer_spec(), scores=scores))
        (board,) = boards_of(tmp_path)
        assert (board.setting.source, board.setting.draw) == ("imagenet", "coop")
        assert (board.datasets, board.averaged) == (("dtd", "eurosat", "imagenet"), ("dtd", "eurosat"))
        (entry,) = board.entries
        assert board.average(entry.key, "all").mean == pytest.approx(0.5)
        assert (entry.n, entry.expected, len(entry.run_ids)) == (3, 3, 1)
        assert board.array.mean(entry.key, "imagenet", "all") == 0.9

    def test_a_failed_run_is_missing_on_every_target(self, tmp_path: Path):
        ok = [make_score(name, 0.5) for name in ("all", "dtd", "eurosat")]
        Shards(tmp_path).write(make_record(transfer_spec(), scores=ok))
        broken = RunError(kind="E", message="m", traceback="t")
        failed = make_record(transfer_spec(seed=2), scores=[], status=RunStatus.FAILED, error=broken)
        Shards(tmp_path).write(failed)
        (board,) = boards_of(tmp_path)
        assert {cell.dataset for cell in board.missing if cell.error is not None} == {"dtd", "eurosat", "imagenet"}
        assert not board.complete

    def test_runs_with_more_targets_do_not_set_others_aside(self, tmp_path: Path):
        """They trained on the same images, and what both scored is comparable."""
        few, more = transfer_spec(method="coop"), transfer_spec(method="vpt", targets=("dtd", "eurosat", "food101"))
        record = make_record(few, scores=[make_score(name, 0.5) for name in ("all", "dtd", "eurosat")])
        digests = record.provenance.model_copy(update={"support_digests": ["a", "b"]})
        Shards(tmp_path).write(record.model_copy(update={"provenance": digests}))
        scores = [make_score(name, 0.5) for name in ("all", "dtd", "eurosat", "food101")]
        other = make_record(more.model_copy(update={"task_fingerprint": "g"}), scores=scores)
        Shards(tmp_path).write(other.model_copy(update={"provenance": digests}))
        (board,) = boards_of(tmp_path)
        assert board.excluded == ()
        assert [(cell.entry, cell.dataset) for cell in board.missing] == [("coop", "food101")]


def carry_out(axes: SweepRequest, data: Path | None, runs: Path, cache: Path) -> None:
    for spec in expand(changed(axes, data_root=data)).specs:
        record, predictions = run_experiment(spec, RunContext(data_root=data, cache_dir=cache))
        assert [score.split for score in record.scores] == ["all", *spec.targets]
        Shards(runs).write(record, predictions)


def page_of(runs: Path, out: Path) -> str:
    store = Store(runs)
    store.ingest()
    view = site_view(PageContent(store.runs_frame(), store.difficulty_frame(), registered(), package_version="0"))
    text = render_site(view, out).read_text()
    return text + everything_of(text)


SHORT = ("*.recipe.epochs=1", "*.recipe.views=1")


def test_domain_generalization_over_synthetic_stand_ins_of_imagenet(data: Path, tmp_path: Path):
    """ImageNet and its variants in their real layouts, with images of noise: A and R have two of the four classes."""
    axes = sweep_over(
        ["coop", "zero_shot"], ["imagenet"], [TINY], protocol=DOMAIN, shots=(2,), seeds=(1,), overrides=SHORT
    )
    carry_out(axes, data, tmp_path, tmp_path / "cache")
    (board,) = boards_of(tmp_path)
    assert board.averaged == ("imagenet_a", "imagenet_r", "imagenet_sketch", "imagenet_v2")
    sizes = Store(tmp_path).runs_frame().groupby("split")["n_classes"].first().to_dict()
    assert sizes == {"all": 4, "imagenet_a": 2, "imagenet_r": 2, "imagenet_sketch": 4, "imagenet_v2": 4}
    page = page_of(tmp_path, tmp_path / "index.html")
    assert "Domain-generalization from ImageNet, 2 shots" in page


def test_cross_dataset_on_three_targets(tmp_path: Path):
    root = tmp_path / "data"
    for name in ("eurosat", "dtd", "oxford_pets", "caltech101"):
        write_dataset(root, name)
    axes = sweep_over(
        ["zero_shot", "coop"],
        ["eurosat"],
        ["ViT-demo.drawn"],
        protocol=CROSS,
        shots=(1,),
        seeds=(1,),
        targets=("dtd", "oxford_pets", "caltech101"),
        overrides=SHORT,
    )
    carry_out(axes, root, tmp_path, tmp_path / "cache")
    (board,) = boards_of(tmp_path)
    assert board.averaged == ("caltech101", "dtd", "oxford_pets")
    assert all(entry.complete for entry in board.entries)
    page = page_of(tmp_path, tmp_path / "index.html")
    assert "Cross-dataset from EuroSAT" in page
    for title in ("Caltech101", "DTD", "Oxford Pets"):
        assert title in page
