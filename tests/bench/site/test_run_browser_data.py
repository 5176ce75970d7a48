import json
import os

import numpy as np
import pytest
from fake_runner import make_predictions, make_record, make_spec

from bench.results.shards import Shards
from bench.site.gallery import Gallery
from bench.site.run_browser_data import write_run_files
from bench.store import fresh_store


class Painted:
    def class_names(self, dataset, split):
        return ()

    def picture(self, dataset, key):
        return f"data:image/jpeg;base64,{dataset}{len(key)}"


NO_PICTURES = Gallery(None, pictures=False)


def write(runs, folder, pictures=NO_PICTURES):
    store = fresh_store(runs)
    return write_run_files(store, store.runs_frame(), pictures, folder)


@pytest.fixture
def runs(tmp_path):
    for seed in (1, 2):
        spec = make_spec(seed=seed)
        predictions = [make_predictions("base", n=6, seed=seed), make_predictions("new", n=4, seed=seed)]
        Shards(tmp_path / "runs").write(make_record(spec), predictions)
    return tmp_path / "runs"


def test_a_run_s_file_holds_its_best_classes_with_their_probabilities(runs, tmp_path):
    assert write(runs, tmp_path / "data") == 2
    run_id = make_spec(seed=1).run_id
    content = json.loads((tmp_path / "data/runs" / f"{run_id}.json").read_text())
    stored = make_predictions("base", n=6, seed=1)
    part = content["splits"]["base"]
    assert part["top"] == stored.top_labels.tolist()
    expected = np.minimum(np.exp(stored.top_logits - stored.log_sum_exp[:, None]), 1)
    np.testing.assert_allclose(np.array(part["share"]) / 1000, expected, atol=6e-4)
    images = json.loads((tmp_path / "data/lists" / f"{part['list']}.json").read_text())
    assert images == {"ids": list(stored.images), "labels": stored.label.tolist()}


def test_what_is_there_is_not_written_again_and_what_is_gone_goes(runs, tmp_path):
    write(runs, tmp_path / "data")
    assert write(runs, tmp_path / "data") == 0
    first, second = (tmp_path / "data/runs" / f"{make_spec(seed=seed).run_id}.json" for seed in (1, 2))
    os.utime(first, (0, 0))
    assert write(runs, tmp_path / "data") == 1
    for path in (runs / "shards").rglob(f"{second.stem}*"):
        path.unlink()
    write(runs, tmp_path / "data")
    assert first.is_file()
    assert not second.is_file()


def test_pictures_are_of_the_images_that_runs_get_wrong(runs, tmp_path):
    write(runs, tmp_path / "data", Painted())
    (path,) = (tmp_path / "data/pictures").glob("*.json")
    shown = set(json.loads(path.read_text()))
    wrong = {
        image
        for seed in (1, 2)
        for split, n in (("base", 6), ("new", 4))
        for item in [make_predictions(split, n=n, seed=seed)]
        for image, right in zip(item.images, item.label == item.predicted, strict=True)
        if not right
    }
    assert shown == wrong
