"""The APEX paper's figures from known numbers, and the runs that they report as missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from worlds import make_world

from bench.extensions.paper_figures.chart import figure_specification
from bench.extensions.paper_figures.drawing import FIGURES, NAMES, drawn_figures, write
from bench.extensions.paper_figures.figure_data import gather_figure_data, over_seeds
from bench.papers import read_paper, shipped_papers
from bench.papers.catalogue import Catalogue, registered
from bench.record import Branches
from bench.results.database import fresh_store
from bench.results.ensemble_weights import adaptive_weight, blended_accuracy, fixed_weight
from bench.results.shards import Shards
from reports import chart_file

DATASETS = [f"d{i}" for i in range(6)]
METHODS = {
    "zero_shot": (0.6, 0.6),
    "deep_text_prompts": (0.8, 0.5),
    "ivlp": (0.85, 0.5),
    "vpt": (0.75, 0.65),
    "text_adapter": (0.7, 0.6),
    "vpt_text_adapter": (0.8, 0.65),
    "text_prompts_visual_adapter": (0.75, 0.6),
    "apex": (0.85, 0.7),
}
BACKBONE = "ViT-demo.drawn"


FAST = [name for name in FIGURES if not name.endswith("-features")]
"""All but those that project image features, which takes seconds for each dataset."""


def every_figure(data):
    return drawn_figures(data, FAST)


def rates(names):
    return {m: {d: dict(zip(("base", "new"), METHODS[m], strict=True)) for d in DATASETS} for m in names}


def branches(seed, n, classes=4, dim=8):
    draw = np.random.default_rng(seed)
    return Branches(
        adapted_text=draw.normal(size=(classes, dim)).astype(np.float32),
        plain_text=draw.normal(size=(classes, dim)).astype(np.float32),
        adapted_image=draw.normal(size=(n, dim)).astype(np.float32),
        plain_image=draw.normal(size=(n, dim)).astype(np.float32),
        mean_distance=draw.uniform(0.1, 0.5, classes).astype(np.float32),
        nearest_distance=draw.uniform(0.0, 0.3, classes).astype(np.float32),
        scale=np.array([100.0], dtype=np.float32),
    )


def difficulty():
    rows = [
        {"backbone": BACKBONE, "dataset": dataset, "split": "all", "measure": measure, "value": value}
        for i, dataset in enumerate(DATASETS)
        for measure, value in (
            ("relative_transfer_difficulty", 0.6 - 0.1 * i),
            ("separability_pairwise", 1 + 0.1 * i),
            ("separability_prototype", 2 + 0.1 * i),
        )
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """All methods with 16 shots, three of them with 4 as well; APEX kept both sides on all but the last dataset."""
    runs = tmp_path_factory.mktemp("runs")
    make_world(runs, rates(METHODS), images=120, backbone=BACKBONE)
    make_world(runs, rates(["vpt", "ivlp", "deep_text_prompts"]), images=120, shots=4, backbone=BACKBONE)
    shards = Shards(runs)
    for entry in shards.scan():
        shard = shards.read(entry.run_id)
        spec = shard.record.spec
        if spec.method == "apex" and spec.dataset != DATASETS[-1]:
            kept = [
                item if item.split == "base" else _with(item, branches(int(spec.run_id[:8], 16), len(item.images)))
                for item in shard.predictions
            ]
            shards.write(shard.record, kept)
    return runs


def _with(predictions, kept):
    from dataclasses import replace

    return replace(predictions, branches=kept)


@pytest.fixture(scope="module")
def data(world):
    store, shards = fresh_store(world), Shards(world)
    return gather_figure_data(store.runs_frame(), difficulty(), Catalogue(), lambda run: shards.read(run).predictions)


@pytest.fixture(scope="module")
def figures(data):
    return {figure.name: figure for figure in every_figure(data)}


def scores(world):
    frame = fresh_store(world).runs_frame()
    return frame.set_index(["method", "shots", "dataset", "seed", "split"])["accuracy"]


def test_the_gap_is_base_minus_new_within_each_seed(figures, world):
    figure, known = figures["apex-fig2-gap-versus-shots"], scores(world)
    assert figure.panels == tuple(reversed(DATASETS)), "from easy to hard"
    for shots in (4, 16):
        gaps = [100 * (known["vpt", shots, "d2", s, "base"] - known["vpt", shots, "d2", s, "new"]) for s in (1, 2, 3)]
        point = figure.at("d2", "vpt")[shots]
        assert point.y == pytest.approx(np.mean(gaps))
        assert (point.high - point.low) / 2 == pytest.approx(4.3026527 * np.std(gaps, ddof=1) / 3**0.5)
        assert len(point.run_ids) == 3


def test_shots_that_nobody_ran_are_named_with_the_command_that_makes_them(figures):
    figure = figures["apex-fig2-gap-versus-shots"]
    assert "vpt: 1, 2, 8 shots on all datasets." in figure.missing
    assert any(
        "-m vpt " in command and "--shots 1,2,8 " in command and f"-b {BACKBONE}" in command
        for command in figure.commands
    )


def test_learning_curves_have_a_line_for_each_half(figures, world):
    figure, known = figures["apex-fig3-learning-curves"], scores(world)
    expected = 100 * np.mean([known["ivlp", 4, "d0", seed, "new"] for seed in (1, 2, 3)])
    assert figure.at("d0", "ivlp, new")[4].y == pytest.approx(expected)


def test_curves_over_epochs_are_means_over_seeds_and_ask_for_what_is_missing(world, figures):
    store, shards = fresh_store(world), Shards(world)
    runs = store.runs_frame().query("shots == 16 and method in ['vpt', 'ivlp']")
    rows = [
        {"run_id": run, "epoch": epoch, "split": split, "accuracy": accuracy * epoch / 4}
        for run, seed, method, split, accuracy in runs[["run_id", "seed", "method", "split", "accuracy"]].values
        for epoch in ((1, 2, 4) if seed < 3 else (1, 4))
        if method == "vpt" or seed < 3  # one seed of the other recorded nothing
    ]
    found = gather_figure_data(
        store.runs_frame(),
        difficulty(),
        Catalogue(),
        lambda run: shards.read(run).predictions,
        curves=pd.DataFrame(rows),
    )
    figure = next(f for f in every_figure(found) if f.name == "apex-fig3-epochs")
    known = scores(world)
    points = figure.at("d0", "vpt, new")
    assert set(points) == {1, 4}, "epochs that all seeds recorded"
    for epoch in (1, 4):
        expected = 100 * np.mean([known["vpt", 16, "d0", seed, "new"] * epoch / 4 for seed in (1, 2, 3)])
        assert points[epoch].y == pytest.approx(expected)
    assert figure.panels == tuple(reversed(DATASETS))
    assert figure.at("d0", "ivlp, new") == {}
    assert figure.missing == ("No accuracy during training on some dataset: deep_text_prompts, ivlp.",)
    assert "-m deep_text_prompts,ivlp " in figure.commands[0]
    assert figure.commands[0].endswith("--curve --rerun all")
    assert figures["apex-fig3-epochs"].points == ()


def test_separability_bars_go_from_easy_to_hard(figures):
    figure = figures["apex-fig5-separability"]
    assert figure.x_values == tuple(reversed(DATASETS))
    assert figure.at("Relative transfer difficulty", "Relative transfer difficulty")["d0"].y == 0.6
    assert figure.missing == ()


def test_component_groups_are_means_over_the_easy_and_the_hard_third(figures, world):
    figure, known = figures["apex-fig6-components"], scores(world)
    expected = 100 * np.mean([known["vpt", 16, d, s, "new"] for d in ("d5", "d4") for s in (1, 2, 3)])
    assert figure.at("Easy: new classes", "vpt")["vpt"].y == pytest.approx(expected)
    assert figure.missing == ()


def test_ensemble_tables_are_recomputed_from_what_the_runs_kept(figures, data):
    beta, fixed, sides = (
        figures[name] for name in ("apex-table12-beta", "apex-table13-fixed-weights", "apex-table7-sides-by-dataset")
    )
    entry = data.entry(data.main, "apex")
    kept = {
        d: [item for run in entry.cells[d].run_ids for item in data.load_predictions(run) if item.split == "new"]
        for d in DATASETS[:-1]
    }
    want = np.mean([[blended_accuracy(p, adaptive_weight(p.branches, beta=2.0)) for p in kept[d]] for d in kept])
    assert beta.at("Average", "adaptive")[2.0].y == pytest.approx(100 * want)
    want = np.mean([blended_accuracy(p, fixed_weight(p.branches, 0.3)) for p in kept["d1"]])
    assert fixed.at("d1", "fixed")[0.3].y == pytest.approx(100 * want)
    want = np.mean([blended_accuracy(p, adaptive_weight(p.branches), sides="text") for p in kept["d1"]])
    assert sides.at("d1", "text")["text"].y == pytest.approx(100 * want)
    assert fixed.at("d1", "fixed")[1.0].y == pytest.approx(sides.at("d1", "none")["none"].y), "weight 1 is no ensemble"


def test_the_best_fixed_weight_is_the_top_of_its_curve(figures):
    best, curve = figures["apex-fig8-distance-versus-weight"], figures["apex-table13-fixed-weights"]
    for point in best.points:
        values = {weight: item.y for weight, item in curve.at(point.series, "fixed").items()}
        assert values[point.y] == max(values.values())
        assert 0.1 < point.x < 0.5


def test_datasets_whose_runs_kept_nothing_are_named_and_in_no_average(figures):
    figure = figures["apex-table12-beta"]
    assert figure.missing == ("APEX with stored branches on d5.",)
    assert "-m apex -d d5 " in figure.commands[0]
    assert "--keep-branches" in figure.commands[0]
    assert "over 5 datasets" in figure.caption
    easy = figures["apex-table5-sides-by-group"]
    assert easy.panels == ("Hard",), "the easy group lacks a dataset"


def test_an_adapter_sweep_that_nobody_ran_names_every_width(figures):
    figure = figures["apex-fig10-adapter-ranks"]
    assert figure.points == ()
    assert len(figure.commands) == 2
    assert all("--set apex.rank=8,16,32,64,128,256" in command for command in figure.commands)
    assert figures["apex-fig11-adapter-ranks-by-dataset"].commands == figure.commands


def test_an_adapter_sweep_is_plotted_by_its_settings(tmp_path):
    for kind, rank in (("low_rank", 16), ("low_rank", 64), ("bottleneck", 16), ("linear", 64)):
        config = {"adapter": kind, "rank": rank, "ensemble": "both", "ensemble_weight": "adaptive"}
        make_world(tmp_path, rates(["apex"]), images=60, config=config, backbone=BACKBONE)
    store = fresh_store(tmp_path)
    data = gather_figure_data(store.runs_frame(), difficulty(), Catalogue(), lambda run: ())
    figure = next(f for f in every_figure(data) if f.name == "apex-fig10-adapter-ranks")
    assert set(figure.at("New classes", "linear, low rank")) == {16, 64}
    assert set(figure.at("New classes", "non-linear bottleneck")) == {16}
    level = figure.at("Harmonic mean H", "linear, full rank")
    assert level[16].y == level[64].y
    by_dataset = next(f for f in every_figure(data) if f.name == "apex-fig11-adapter-ranks-by-dataset")
    assert by_dataset.panels == tuple(reversed(DATASETS))
    assert set(by_dataset.at("d3", "linear, low rank")) == {16, 64}


@pytest.fixture(scope="module")
def on_the_papers_backbone(tmp_path_factory):
    """A few runs on the paper's backbone and two of its datasets, whose printed values are drawn."""
    runs = tmp_path_factory.mktemp("paper")
    rate = {"base": 0.8, "new": 0.6}
    methods = ("zero_shot", "vpt", "ivlp", "deep_text_prompts", "vpt_text_adapter", "apex")
    rates_of = {method: dict.fromkeys(("eurosat", "dtd"), rate) for method in methods}
    make_world(runs, rates_of, images=60, backbone="ViT-B-16.openai")
    shards = Shards(runs)
    for entry in shards.scan():
        shard = shards.read(entry.run_id)
        if shard.record.spec.method == "apex":
            kept = [_with(item, branches(1, len(item.images), classes=5)) for item in shard.predictions]
            shards.write(shard.record, kept)
    store = fresh_store(runs)
    return gather_figure_data(store.runs_frame(), difficulty(), registered(), lambda run: shards.read(run).predictions)


def test_printed_values_are_drawn_over_ours(on_the_papers_backbone):
    found = {figure.name: figure for figure in every_figure(on_the_papers_backbone)}
    gap = {(p.panel, p.series): p.y for p in found["apex-fig2-gap-versus-shots"].printed}
    assert gap["EuroSAT", "VPT"] == pytest.approx(20.91, abs=0.011), "Table 10, base minus new"
    weights = {(p.panel, p.series, p.x): p.y for p in found["apex-table13-fixed-weights"].printed}
    assert weights["EuroSAT", "fixed", 0.0] == pytest.approx(70.90), "Table 13"
    best = {p.series: p.y for p in found["apex-fig8-distance-versus-weight"].printed}
    assert best == {"EuroSAT": 1.0, "DTD": 0.5}
    panels = figure_specification(found["apex-table13-fixed-weights"])["concat"]
    rows = [row for panel in panels for row in panel["data"]["values"] if row["kind"] == "printed"]
    assert 70.90 in [row["y"] for row in rows]


def test_a_synthetic_figure_has_no_printed_values(data):
    assert not any(figure.printed for figure in every_figure(data))


def test_each_series_of_figure_8_is_named_beside_its_mark(on_the_papers_backbone):
    (figure,) = drawn_figures(on_the_papers_backbone, ["apex-fig8-distance-versus-weight"])
    svg = chart_file(figure_specification(figure), "svg").decode()
    assert figure.labelled
    assert svg.count(">EuroSAT</text>") == svg.count(">DTD</text>") == 1


def test_image_features_have_true_and_predicted_labels(on_the_papers_backbone):
    pytest.importorskip("sklearn")
    (figure,) = drawn_figures(on_the_papers_backbone, ["apex-fig4-image-features"])
    assert {panel.partition(": ")[2] for panel in figure.panels} == {"true labels", "zero-shot", "tuned text prompts"}
    true = [point for point in figure.points if point.panel == "EuroSAT: true labels"]
    same = [point for point in figure.points if point.panel == "EuroSAT: zero-shot"]
    assert len(true) == len(same) == 60
    assert {(p.x, p.y) for p in true} == {(p.x, p.y) for p in same}, "only the labels differ"
    assert "another class" not in {point.series for point in true}


def test_image_features_without_scikit_learn_say_what_to_install(on_the_papers_backbone, monkeypatch):
    monkeypatch.setattr("bench.extensions.paper_figures.image_features.find_spec", lambda name: None)
    (figure,) = drawn_figures(on_the_papers_backbone, ["apex-fig7-prompted-features"])
    assert figure.points == ()
    assert "pip install 'clip-etl-bench[figures]'" in figure.missing[0]


def test_an_empty_database_gives_figures_that_say_what_they_want(tmp_path):
    store = fresh_store(tmp_path)
    data = gather_figure_data(store.runs_frame(), store.difficulty_frame(), Catalogue(), lambda run: ())
    found = drawn_figures(data, list(FIGURES))
    assert [figure.name for figure in found] == list(FIGURES)
    assert all(figure.points == () for figure in found)


def test_means_over_datasets_with_unequal_seeds_have_no_interval():
    assert over_seeds([[0.5, 0.7], [0.6]]).half_width is None
    assert over_seeds([[0.5, 0.7], [0.6, 0.6]]).mean == pytest.approx(0.6)


def test_figures_are_written_as_svg_pdf_and_png(figures, tmp_path):
    written = write(
        {name: figures[name] for name in ("apex-table12-beta", "apex-fig10-adapter-ranks")}, tmp_path, force=False
    )
    assert [path.suffix for path in written] == [".svg", ".json", ".pdf", ".png"], "no points, no file"
    svg, _, pdf, png = (path.read_bytes() for path in written)
    assert svg.startswith(b"<svg")
    assert b"currentColor" not in svg
    assert pdf.startswith(b"%PDF")
    assert png.startswith(b"\x89PNG")


def test_every_figure_that_a_shipped_paper_asks_for_is_known():
    asked = {
        name for paper in shipped_papers() for one in read_paper(paper).experiments.values() for name in one.figures
    }
    assert asked <= set(NAMES)
