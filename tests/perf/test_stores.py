"""The folder of runs that is measured is a real one: whole boards, and scores that follow from their predictions."""

from itertools import islice
from pathlib import Path

from _stores import CLASSES, DATASETS, METHODS, SEEDS, simulated_runs, write_store

from bench.results import Shards, Store
from bench.results.recomputed_scores import contradiction


def test_runs_of_the_measured_folder_are_consistent_and_load(tmp_path: Path) -> None:
    write_store(tmp_path, 8)
    shards = Shards(tmp_path)
    found = [shards.read(run_id) for run_id in shards.scan()]
    assert [contradiction(shard.record, shard.predictions) for shard in found if shard] == 8 * [""]
    assert Store(tmp_path).ingest() == 8


def test_the_first_runs_are_one_board_without_a_gap() -> None:
    cells = {
        (record.spec.protocol, record.spec.shots, record.spec.method, record.spec.dataset, record.spec.seed)
        for record, _ in islice(simulated_runs(), METHODS * len(DATASETS))
    }
    assert len({cell[:2] for cell in cells}) == 1
    assert len({cell[2:4] for cell in cells}) == METHODS * len(DATASETS)
    assert METHODS * len(DATASETS) * SEEDS == 1980
    assert CLASSES % 2 == 0
