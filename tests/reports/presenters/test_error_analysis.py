"""Error analysis, cost and calibration on the page agree with the board."""

import numpy as np
import pytest
from worlds import IMAGES, make_world

from bench.analysis.error_analysis import CLASSES, RUN_PAIRS
from bench.papers.catalogue import Catalogue
from bench.results.database import fresh_store
from datasets_registry import EvalProtocol
from reports.parts.leaderboard import ranking_table
from reports.presenters.content import PageContent
from reports.presenters.site import site_view

WORLD = {
    "zero_shot": {"a": {"base": 0.6, "new": 0.7}, "b": {"base": 0.8, "new": 0.5}},
    "coop": {"a": {"base": 0.8, "new": 0.6}, "b": {"base": 0.9, "new": 0.5}},
    "apex": {"a": {"base": 0.85, "new": 0.75}, "b": {"base": 0.85, "new": 0.7}},
}


class Names:
    def class_names(self, dataset, split):
        return ("ant", "bee", "cat", "dog")

    def picture(self, dataset, key):
        return f"data:,{dataset}/{key}"


def page(path, world, **options):
    make_world(path, world, **options)
    store = fresh_store(path)
    return site_view(
        PageContent(
            store.runs_frame(),
            store.difficulty_frame(),
            Catalogue(),
            package_version="0",
            stored=store,
            pictures=Names(),
        )
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return page(tmp_path_factory.mktemp("runs"), WORLD)


def test_every_cell_of_the_board_has_its_errors_and_they_add_up_to_the_score(site):
    (board,) = site.boards
    cells = site.error_analysis.cells[board.anchor]
    assert len(cells) == 3 * 2 * 2
    for listed in site.error_analysis.lists:
        for entry in board.board.entries:
            cell = cells[entry.key, listed.key]
            right = np.mean([run.right for run in cell.runs]) / listed.n_images
            assert right == pytest.approx(board.board.array.mean(entry.key, listed.dataset, listed.split))
            assert {run.run_id for run in cell.runs} == set(board.board.array.ids(entry.key, listed.dataset))
            for run in cell.runs:
                assert sum(run.right_by_class) == run.right, "all four classes"
                assert len(run.pairs) <= RUN_PAIRS
                assert len(run.tops) == len(listed.images)
            assert sum(cell.sizes) == IMAGES
            assert len(cell.labels) == cell.n_classes == 4 <= CLASSES


def test_class_lists_carry_names_pictures_and_the_images_most_runs_get_wrong(site):
    first = site.error_analysis.lists[0]
    assert first.name(1) == "bee"
    assert first.n_runs == 1 + 3 + 3
    assert [image.wrong for image in first.images] == sorted((image.wrong for image in first.images), reverse=True)
    shown = [image.image for image in (*first.images, *first.moved)]
    assert first.pictures == tuple(f"data:,{first.dataset}/{image}" for image in shown)
    (board,) = site.boards
    changed = site.error_analysis.changes[board.anchor]
    assert {entry for entry, _ in changed} == {"coop", "apex"}, "zero-shot changes nothing"
    for (entry, key), found in changed.items():
        cells = site.error_analysis.cells[board.anchor]
        (zero,) = cells["zero_shot", key].runs
        assert [run.right - zero.right for run in cells[entry, key].runs] == [
            fixed - broken for fixed, broken in zip(found.fixed, found.broken, strict=True)
        ]


def test_pairs_are_counted_over_all_seeds(site):
    (board,) = site.boards
    cells = site.error_analysis.cells[board.anchor]
    cell = next(cell for (entry, _), cell in cells.items() if entry == "coop")
    for pair in cell.pairs:
        by_run = [
            sum(p.count for p in run.pairs if (p.label, p.predicted) == (pair.label, pair.predicted))
            for run in cell.runs
        ]
        assert pair.count == sum(by_run)
        assert pair.n == 3 * cell.sizes[cell.labels.index(pair.label)]


def test_targets_of_a_transfer_run_are_class_lists_of_their_own(tmp_path):
    world = {"coop": {"src": {"all": 0.8, "one": 0.5, "two": 0.7}}}
    site = page(tmp_path, world, protocol=EvalProtocol.CROSS_DATASET, targets=("one", "two"))
    assert [(item.dataset, item.split) for item in site.error_analysis.lists] == [
        ("one", "all"),
        ("two", "all"),
        ("src", "all"),
    ]
    (board,) = site.boards
    for cell, listed in zip(site.error_analysis.cells[board.anchor].values(), site.error_analysis.lists, strict=True):
        right = np.mean([run.right for run in cell.runs]) / listed.n_images
        assert right == pytest.approx(board.board.array.mean("coop", listed.dataset, "all"))


def test_without_predictions_there_is_no_error_analysis_and_an_entry_that_lacks_runs_is_on_no_front(tmp_path):
    make_world(tmp_path, WORLD)
    store = fresh_store(tmp_path)
    runs = store.runs_frame()
    runs = runs[~((runs["method"] == "apex") & (runs["dataset"] == "a") & (runs["seed"] == 2))]
    site = site_view(PageContent(runs, store.difficulty_frame(), Catalogue(), package_version="0"))
    assert site.error_analysis.lists == ()
    assert site.boards[0].calibration == {}
    (point,) = (point for point in site.boards[0].costs if point.entry == "apex")
    assert point.front == {}


def test_calibration_of_every_entry_on_both_halves(site):
    (board,) = site.boards
    assert set(board.calibration) == {(e.key, s) for e in board.board.entries for s in ("base", "new")}
    table = ranking_table(board, site.overviews[0])
    places = [at for at, column in enumerate(table.columns) if column.title.startswith(("ECE", "NLL"))]
    assert [table.columns[at].title for at in places] == ["ECE, base", "NLL, base", "ECE, new", "NLL, new"]
    for entry, row in zip(board.board.entries, table.rows, strict=True):
        value = board.calibration[entry.key, "base"]["ece"]
        assert row[places[0]][:2] == [float(f"{value.mean:.5g}"), f"{100 * value.mean:.2f}"]


def test_cost_points_agree_with_the_board_and_the_best_is_on_the_front(site):
    (board,) = site.boards
    for point in board.costs:
        entry = next(entry for entry in board.board.entries if entry.key == point.entry)
        assert point.value == board.board.average(entry.key, "H")
        assert point.costs["parameters"] == entry.cost.parameters_high
        assert set(point.front) == set(point.costs)
    best = max(board.costs, key=lambda point: point.value.mean)
    assert best.front["parameters"]
