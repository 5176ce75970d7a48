"""Shipped paper files are complete, a wrong file names its line, and a part has the chosen tables and methods."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from simulated_boards import entry as trained_entry

from bench.analysis import Setting
from bench.errors import UsageError
from bench.papers import PaperPart, printed_numbers, read_paper, shipped_papers
from bench.papers.conditions import differences, recipes_of
from bench.papers.paper_files import Paper, parse_paper
from bench.papers.paper_parts import synthetic_form
from bench.papers.published_numbers import DIFFICULTIES, numbers_of, system_of
from bench.results import published_values
from bench.spec import LEARNED, ExperimentSpec
from bench.sweep import outline_of
from datasets_registry import UnknownNameError

SMALL = """title = "A paper"
address = "arXiv:0000.00000"

[sweep]
backbones = ["ViT-tiny.random"]
shots = 2

[table-1]
title = "A table"
[[table-1.sweep]]
methods = ["coop"]
datasets = ["spectrum_basic"]
seeds = 2
set = { "coop.n_ctx" = [2, 4] }
"""


# the board on imported features is planned in tests/bench/api/test_features_board.py
@pytest.mark.parametrize("name", sorted({*shipped_papers()} - {"features-board"}))
def test_a_shipped_paper_can_be_planned_and_compared(name: str) -> None:
    paper = read_paper(name)
    assert {*paper.header.gpu_hours, "all"} == {*paper.experiments, "all"}
    for what, experiment in paper.experiments.items():
        if experiment.printed:
            assert len(printed_numbers(paper.header.reported_in, experiment.printed))
        for outline in paper.outlines(what):
            assert outline.specs
            assert outline_of(synthetic_form(outline.request)).specs


def test_apex_has_every_table_and_figure_with_numbers() -> None:
    tables = [f"table-{number}" for number in range(1, 18) if number != 6]  # Table 6 is notation
    figures = [f"figure-{number}" for number in (2, 5, 6, 8, 10, 11, 12)]  # the others are drawings
    assert list(read_paper("apex").experiments) == [*tables, *figures]


def conditions(spec: ExperimentSpec) -> tuple[object, ...]:
    """What a printed number is compared with: the setting, the entry, its recipes and the published settings."""
    learned = tuple(str(getattr(spec, axis.name) or "") for axis in LEARNED)
    setting = Setting(spec.backbone, str(spec.protocol), spec.shots, str(spec.draw), "fp32", learned=learned)
    recipe_name = None if spec.recipe is None else str(spec.recipe["name"])
    entry = trained_entry(spec.method, spec.config, spec.recipe, recipe_name)
    return setting, entry, recipes_of(setting, entry, spec.dataset), published_values(spec.method, setting.protocol)


def test_nearly_all_numbers_of_apex_meet_a_run_of_its_file(frame) -> None:
    """What is left are numbers of epochs, and the weights that an oracle chose."""
    paper = read_paper("apex")
    planned: dict[tuple[object, ...], list[tuple[object, ...]]] = {}
    for spec in (spec for what in paper.experiments for outline in paper.outlines(what) for spec in outline.specs):
        shots, of_spec = 0 if spec.method == "zero_shot" else spec.shots, conditions(spec)
        for dataset in (spec.dataset, *spec.targets):
            key = system_of(spec.method), str(spec.protocol), spec.backbone, shots, dataset
            planned.setdefault(key, []).append(of_spec)
    numbers = numbers_of(frame[frame["reported_in"] == paper.header.reported_in])
    unmet = [
        number.metric
        for number in numbers
        if number.metric not in DIFFICULTIES  # a difficulty is measured by any zero-shot run
        and not all(
            any(
                not differences(number, *run)
                for *task, _, _ in number.cells
                for run in planned.get((*task, dataset), ())
            )
            for dataset in number.datasets
        )
    ]
    assert len(numbers) - len(unmet) >= 1450
    assert set(Counter(unmet)) <= {"training_epochs", "optimal_alpha"}


def test_every_baseline_of_biomedcoop_runs_once_on_each_dataset_with_its_weight() -> None:
    paper = read_paper("biomedcoop")
    specs = [spec for outline in paper.outlines("few-shot", shots=[4], seeds=[1]) for spec in outline.specs]
    runs = Counter((spec.method, spec.dataset) for spec in specs)
    assert set(runs.values()) == {1}
    methods = Counter(method for method, _ in runs)
    assert set(methods.values()) == {11}
    assert {"coop", "cocoop", "kgcoop", "prograd", "clip_adapter", "tip_adapter_f", "lp_plus_plus"} <= {*methods}
    weights = {spec.dataset: spec.config["weight"] for spec in specs if spec.method == "kgcoop"}
    assert (weights["busi"], weights["btmri"], weights["kvasir"], weights["lc25000"], weights["retina"]) == (
        10, 2, 6, 8, 1,
    )  # fmt: skip
    assert all(spec.recipe["epochs"] == 100 for spec in specs if spec.method in ("coop", "kgcoop", "prograd"))
    assert {spec.backbone for spec in specs} == {"BiomedCLIP.pmc15m"}


def test_a_paper_shares_its_sweep_and_an_experiment_adds_to_it() -> None:
    paper = parse_paper(SMALL, "small")
    (request,) = (outline.request for outline in paper.outlines("Table 1", seeds=3))
    assert (request.backbones, request.shots, request.seeds) == (["ViT-tiny.random"], [2], [1, 2, 3])
    assert request.overrides == ["coop.n_ctx=2,4"]
    shared = SMALL.replace("shots = 2", 'shots = 2\nset = { "coop.n_ctx" = 8, "coop.class_specific" = true }')
    (outline,) = parse_paper(shared, "small").outlines("table-1")
    assert outline.request.overrides == ["coop.n_ctx=2,4", "coop.class_specific=true"]


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ('title = "A table"', 'titel = "A table"', 9, "unknown key 'titel'. Did you mean 'title'"),
        ("seeds = 2", "seed = 2", 13, "unknown key 'seed'. Did you mean 'seeds'"),
        ("shots = 2", "shots = [", 8, "not TOML"),
        ("[table-1]", "[tabel-1]", 8, "'tabel-1' is not the name of a table or figure"),
        ('methods = ["coop"]', "methods = []", 11, "methods"),
        ('title = "A paper"', 'titles = "A paper"', 1, "unknown key 'titles'. Did you mean 'title'"),
        ("spectrum_basic", "spectrum_basik", 12, "Unknown dataset 'spectrum_basik'. Did you mean 'spectrum_basic'"),
        ('["coop"]', '["coopp"]', 11, "Unknown method 'coopp'. Did you mean 'coop'"),
        ("coop.n_ctx", "coop.n_ctxx", 14, "Unknown setting 'n_ctxx' of coop. Did you mean 'n_ctx'"),
        ("[2, 4]", '[2, "many"]', 14, "n_ctx='many': Input should be a valid integer"),
        ("seeds = 2", 'protocol = "few"', 13, "--protocol 'few' is unknown. Did you mean 'few-shot'"),
    ],
)
def test_a_wrong_key_name_or_value_names_its_line(old: str, new: str, line: int, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_paper(SMALL.replace(old, new), "small", Path("small.toml")).outlines("table-1")
    assert f"file small.toml, line {line}, " in str(caught.value)
    assert problem in str(caught.value)


def test_unknown_papers_and_tables_get_near_misses(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'apex'"):
        read_paper("apexx")
    with pytest.raises(UnknownNameError, match="Did you mean 'table-2'"):
        read_paper("apex").named("table-22")
    with pytest.raises(UsageError, match="read: No such file"):
        read_paper(str(tmp_path / "mine.toml"))


def test_the_synthetic_form_keeps_settings_and_leaves_out_lengths() -> None:
    (outline,) = [one for one in read_paper("apex").outlines("table-9") if one.request.methods == ["apex"]]
    synthetic = synthetic_form(outline.request)
    assert synthetic.backbones == ["ViT-demo.drawn"]
    assert len(synthetic.datasets) == 11
    assert "apex.recipe.optimizer=sgd" in synthetic.overrides
    assert not [text for text in synthetic.overrides if "epochs" in text]


TWO_TABLES = """
title = "Mine"
address = "arXiv:2311.15569"
[sweep]
backbones = ["ViT-tiny.random"]
seeds = 1
[table-1]
title = "One"
[[table-1.sweep]]
methods = ["vpt*", "zero_shot"]
datasets = ["spectrum_b*", "spectrum_angles"]
protocol = "few-shot"
set = { "vpt.depth" = 3 }
[table-2]
title = "Two"
[[table-2.sweep]]
methods = ["coop"]
datasets = ["spectrum_basic"]
targets = ["spectrum_a*", "spectrum_words"]
protocol = "cross-dataset"
"""


@pytest.fixture
def paper() -> Paper:
    return parse_paper(TWO_TABLES, "mine")


def test_patterns_of_a_paper_stand_for_what_they_select(paper: Paper) -> None:
    part = PaperPart.of(paper, ["table-1", "table-2"])
    (first,), (second,) = (part.outlines[name] for name in ("table-1", "table-2"))
    assert {"vpt", "zero_shot"} < set(first.request.methods)
    assert set(first.request.datasets) == {"spectrum_basic", "spectrum_blur", "spectrum_angles"}
    assert second.request.targets == ["spectrum_angles", "spectrum_words"]
    names = [*first.request.methods, *first.request.datasets, *second.request.targets]
    assert not any("*" in name for name in names)


def test_a_part_has_the_chosen_methods_with_their_settings_on_the_chosen_datasets_and_targets(paper: Paper) -> None:
    part = PaperPart.of(paper, ["table-1", "table-2"], methods="zero_shot,coop", datasets=["spectrum_angles"])
    (first,), (second,) = (part.outlines[name] for name in ("table-1", "table-2"))
    assert {(spec.method, spec.dataset) for spec in first.specs} == {("zero_shot", "spectrum_angles")}
    assert first.request.overrides == []
    assert (second.request.datasets, second.request.targets) == (["spectrum_basic"], ["spectrum_angles"])
    (only,) = PaperPart.of(paper, ["table-1"], methods="vpt", datasets="spectrum_blur").outlines["table-1"]
    assert [spec.config["depth"] for spec in only.specs] == [3]


def test_what_no_chosen_table_has_is_refused(paper: Paper) -> None:
    with pytest.raises(UsageError, match=r"table-1 .*'coop'.* zero_shot"):
        PaperPart.of(paper, ["table-1"], methods="coop")
    with pytest.raises(UsageError, match=r"'eurosat'.* spectrum_words"):
        PaperPart.of(paper, ["table-1", "table-2"], datasets="eurosat")
    with pytest.raises(UsageError, match="does not run"):
        PaperPart.of(paper, ["table-1", "table-2"], methods="coop", datasets="spectrum_blur")
    with pytest.raises(UnknownNameError, match="'vpt'"):
        PaperPart.of(paper, ["table-1"], methods="vptt")
