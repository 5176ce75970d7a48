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
from bench.results.database import fresh_store
from bench.results.shards import Shards
from bench.spec import ExperimentSpec
from bench.sweep import expand, plan_runs
from datasets_registry import EvalProtocol
from methods import METHODS
from reports import render_site
from reports.presenters.content import PageContent
from reports.presenters.site import site_view

CROSS, DOMAIN = EvalProtocol.CROSS_DATASET, EvalProtocol.DOMAIN_GENERALIZATION
TINY = "ViT-tiny.random"
AXES = sweep_over(["coop"], ["eurosat"], [TINY], protocol=CROSS, shots=(2,), seeds=(1,), targets=("dtd",))
IMAGENET = {"datasets": ["imagenet"], "protocol": DOMAIN, "targets": ()}
CLOSED = ("coop.class_specific=true", "coop.ctx_init=")
"""Prompts of the classes of the training only."""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for name in ("eurosat", "dtd", "caltech101"):
        write_dataset(root, name)
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
        (spec,) = grow(**IMAGENET)
        assert spec.targets == ("imagenet_a", "imagenet_r", "imagenet_sketch", "imagenet_v2")
        assert spec.draw == "coop-sorted"

    @pytest.mark.parametrize(
        ("changes", "error", "message"),
        [
            ({"datasets": ["imagenet"], "protocol": DOMAIN}, ImpossibleCombinationError, "'dtd' has the class"),
            ({"datasets": ["imagenet_a"]}, ImpossibleCombinationError, "'imagenet_a' is test-only"),
            ({"overrides": CLOSED}, ImpossibleCombinationError, "other datasets of .*few-shot"),
            ({"overrides": CLOSED} | IMAGENET, ImpossibleCombinationError, "other datasets of .*few-shot"),
            ({"targets": ("dtd", "oxford_pets")}, ImpossibleCombinationError, "oxford_pets: No folder"),
            ({"targets": ("ox*",)}, ImpossibleCombinationError, "none of the targets"),
            ({"protocol": EvalProtocol.FEW_SHOT}, UsageError, "--targets dtd has no effect with few-shot"),
            ({"targets": ()}, UsageError, "Protocol cross-dataset needs --targets, the test datasets"),
            ({"targets": ("dtd", "dtd")}, UsageError, "--targets dtd,dtd names one twice"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, grow, changes, error: type[Exception], message: str):
        with pytest.raises(error, match=message):
            grow(**changes)

    def test_a_pattern_goes_on_without_what_is_not_there(self, grow):
        (spec,) = grow(targets=("d*", "ox*"))
        assert spec.targets == ("dtd",)

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
    frame = fresh_store(runs).runs_frame()
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
        scores = [make_score(name, 0.5) for name in ("all", "dtd", "eurosat", "food101")]
        other = make_record(more.model_copy(update={"task_fingerprint": "g"}), scores=scores)
        for made in (record, other):
            Shards(tmp_path).write(made.model_copy(update={"provenance": digests}))
        (board,) = boards_of(tmp_path)
        assert board.excluded == ()
        assert [(cell.entry, cell.dataset) for cell in board.missing] == [("coop", "food101")]


@pytest.mark.parametrize(
    ("changes", "sizes", "titles"),
    [
        (
            IMAGENET,
            {"imagenet_a": 2, "imagenet_r": 2, "imagenet_sketch": 4, "imagenet_v2": 4},
            ["Domain-generalization from ImageNet, 2 shots"],
        ),
        (
            {"targets": ("imagenet_a", "dtd", "caltech101"), "backbones": ["ViT-demo.drawn"]},
            {"caltech101": 4, "dtd": 4, "imagenet_a": 2},
            ["Cross-dataset from EuroSAT", "Caltech101", "DTD", "ImageNet-A"],
        ),
    ],
)
def test_from_training_to_the_page(data: Path, tmp_path: Path, changes, sizes: dict[str, int], titles: list[str]):
    """Datasets in their real layouts, with images of noise."""
    short = ("*.recipe.epochs=1", "*.recipe.views=1")
    for spec in expand(changed(AXES, methods=["coop", "zero_shot"], overrides=short, data_root=data, **changes)).specs:
        record, predictions = run_experiment(spec, RunContext(data_root=data, cache_dir=tmp_path / "cache"))
        assert [score.split for score in record.scores] == ["all", *spec.targets]
        Shards(tmp_path).write(record, predictions)
    (board,) = boards_of(tmp_path)
    assert board.averaged == tuple(sizes)
    assert all(entry.complete for entry in board.entries)
    store = fresh_store(tmp_path)
    found = store.runs_frame().groupby("split")["n_classes"].first().to_dict()
    assert found == {"all": 4, **sizes}
    view = site_view(PageContent(store.runs_frame(), store.difficulty_frame(), registered(), package_version="0"))
    page = render_site(view, tmp_path / "index.html").read_text()
    assert all(title in page + everything_of(page) for title in titles)
