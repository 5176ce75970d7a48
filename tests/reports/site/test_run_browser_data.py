import json
import os

import numpy as np
import pytest
from fake_runner import make_predictions, make_record, make_spec

from bench.cli.report import report
from bench.errors import UsageError
from bench.results.database import fresh_store
from bench.results.shards import Shards
from reports.site.images import DatasetPictures
from reports.site.run_files import write_run_files


class Painted:
    def class_names(self, dataset, split):
        return ()

    def picture(self, dataset, key):
        return f"data:image/jpeg;base64,{dataset}{len(key)}"


NO_PICTURES = DatasetPictures(None, pictures=False)


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
    assert images["ids"] == list(stored.images)
    assert images["labels"] == stored.label.tolist()


def file_of(folder, seed):
    return folder / "runs" / f"{make_spec(seed=seed).run_id}.json"


def delete_run(runs, seed):
    for path in (runs / "shards").rglob(f"{make_spec(seed=seed).run_id}*"):
        path.unlink()


def test_what_is_there_is_not_written_again_and_what_is_gone_goes(runs, tmp_path):
    data = tmp_path / "data"
    write(runs, data)
    assert write(runs, data) == 0
    file_of(data, 1).unlink()
    assert write(runs, data) == 1
    delete_run(runs, 2)
    write(runs, data)
    assert file_of(data, 1).is_file()
    assert not file_of(data, 2).is_file()


def test_files_of_the_user_are_neither_deleted_nor_replaced(runs, tmp_path):
    data = tmp_path / "data"
    theirs = {"runs/mine.json": "{}", f"runs/{'a' * 16}.json": "[1]", "lists/todo.json": "[]", "runs/notes.txt": "x"}
    for name, text in theirs.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(text)
    write(runs, data)
    write(runs, data)
    assert {name: (data / name).read_text() for name in theirs} == theirs

    file_of(data, 2).write_text("edited by hand")
    delete_run(runs, 2)
    write(runs, data)
    assert file_of(data, 2).read_text() == "edited by hand", "changed since"

    file_of(data, 1).write_text('{"run_id": "another"}')
    with pytest.raises(UsageError, match=f"{file_of(data, 1)} exists already, and was not written by"):
        write(runs, data)
    assert file_of(data, 1).read_text() == '{"run_id": "another"}'


def test_a_large_file_or_a_pipe_in_the_way_is_refused(runs, tmp_path):
    data = tmp_path / "data"
    write(runs, data)
    file_of(data, 1).write_text("")
    os.truncate(file_of(data, 1), 2**40)
    with pytest.raises(UsageError, match=f"{file_of(data, 1)} exists already"):
        write(runs, data)
    file_of(data, 1).unlink()
    os.mkfifo(file_of(data, 1))
    with pytest.raises(UsageError, match=f"{file_of(data, 1)} is not a regular file"):
        write(runs, data)


def test_a_site_of_another_runs_folder_gets_its_predictions(runs, tmp_path):
    """The other folder has a run of the same id, made earlier, with other predictions."""
    data, other = tmp_path / "data", tmp_path / "other"
    Shards(other).write(make_record(make_spec(seed=1)), [make_predictions("base", n=6, seed=77)])
    write(runs, data)
    assert write(other, data) == 1
    shown = json.loads(file_of(data, 1).read_text())["splits"]["base"]["top"]
    assert shown == make_predictions("base", n=6, seed=77).top_labels.tolist()


def test_a_page_of_the_user_is_kept(runs, tmp_path):
    page = tmp_path / "index.html"
    page.write_text("<h1>My project</h1>")
    for chosen in ({"runs": runs}, {"source": "published"}):
        with pytest.raises(UsageError, match="use: it contains 'index.html'"):
            report(out=tmp_path, **chosen)
    assert page.read_text() == "<h1>My project</h1>"
    assert not (tmp_path / "data").exists()


def test_pictures_are_of_the_images_that_runs_get_wrong(runs, tmp_path):
    write(runs, tmp_path / "data", Painted())
    (path,) = (tmp_path / "data/pictures").glob("*.json")
    shown = set(json.loads(path.read_text())) - {"format"}
    wrong = {
        image
        for seed in (1, 2)
        for split, n in (("base", 6), ("new", 4))
        for item in [make_predictions(split, n=n, seed=seed)]
        for image, right in zip(item.images, item.label == item.predicted, strict=True)
        if not right
    }
    assert shown == wrong
