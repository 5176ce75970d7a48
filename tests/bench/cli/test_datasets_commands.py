"""The commands about datasets, as a person calls them."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import re
import shlex
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from own_folders import class_folders
from places import ROOT
from small_datasets import write_dataset

import datasets_registry as registry
from datasets_registry import DATASETS, DatasetSource
from datasets_registry._custom.dataset import read_custom_dataset

Etl = Callable[..., tuple[int, str, str]]
THREE = ("crow", "gull", "jay")


@pytest.fixture
def etl(etl: Etl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Etl:
    """The command in an empty folder; gives exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return etl


# --- show -------------------------------------------------------------------------------------------------------------


def test_the_bare_command_lists_and_a_name_is_shown(etl: Etl, tmp_path: Path) -> None:
    write_dataset(tmp_path, "eurosat")
    assert etl("datasets") == etl("datasets", "list")
    assert etl("datasets", "--json") == etl("datasets", "list", "--json")
    shown = etl("datasets", "show", "eurosat", "--data-root", str(tmp_path), "--json")
    found = json.loads(shown[1])
    assert (found["train_images"], found["test_images"], found["class_names"][0]) == (12, 8, "class 0")
    code, _, err = etl("datasets", "dtd", "--data-root", str(tmp_path))
    assert (code, err.startswith("error: ")) == (2, True)
    assert etl("datasets", "eurosat", "--data-root", str(tmp_path), "--json") == shown
    assert etl("datasets", "--data-root", str(tmp_path), "--json", "eurosat") == shown


def test_the_list_says_how_to_get_each_dataset(etl: Etl, tmp_path: Path) -> None:
    write_dataset(tmp_path, "eurosat")
    rows = {row["name"]: row for row in json.loads(etl("datasets", "--json", "--data-root", str(tmp_path))[1])}
    got = {name: rows[name]["get"] for name in ("eurosat", "dtd", "imagenet", "spectrum_basic")}
    assert got == {"eurosat": "on disk", "dtd": "fetch", "imagenet": "by hand", "spectrum_basic": "built in"}
    assert (rows["dtd"]["test_images"], rows["spectrum_basic"]["test_images"]) == (1692, None)
    (tmp_path / "none").mkdir()
    assert json.loads(etl("datasets", "--json", "--data-root", str(tmp_path / "none"))[1])[0]["get"] == "by hand"


def test_without_a_data_folder_the_published_facts_are_shown(etl: Etl) -> None:
    code, out, err = etl("datasets", "pcam", "--json")
    facts = json.loads(out)
    assert (code, facts["class_names"][0], facts["test_images"]) == (0, "lymph node", None)
    assert facts["images_of_the_full_dataset"] == {"train": 262144, "val": 32768, "test": 32768}
    assert err == ""
    assert "--data-root FOLDER to see" in etl("datasets", "pcam")[2]


# --- add --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("ETL_BENCH_DATASETS", str(tmp_path / "own"))
    return tmp_path / "own"


def test_add_says_what_it_found_and_what_comes_next(etl: Etl, own: Path, tmp_path: Path) -> None:
    class_folders(tmp_path / "birds", THREE)
    code, out, err = etl("datasets", "add", "birds", "--images", "birds", "--split", "even", "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["file"] == str(own / "birds.toml")
    assert facts["train_images"] + facts["validation_images"] + facts["test_images"] == 36
    assert re.search(r"recommend birds -b ViT-B-16.openai --shots \d+$", err, re.MULTILINE)
    class_folders(tmp_path / "uneven", THREE)
    for path in sorted((tmp_path / "uneven" / "crow").iterdir())[4:]:
        path.unlink()
    err = etl("datasets", "add", "uneven", "--images", "uneven")[2]
    assert re.search(r"--shots [48] --allow-fewer$", err, re.MULTILINE), "others are not limited"
    code, _, err = etl("datasets", "add", "birds", "--images", "birds", "--split", "hsah")
    assert (code, "'hash'? Allowed: given, hash" in err) == (2, True)


def test_a_group_column_is_counted_shown_and_checked(
    etl: Etl, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted(class_folders(tmp_path / "birds", THREE).rglob("*.png"))
    rows = [f"{path},{path.parent.name},{'' if i == 0 else f'p{i // 2}'}" for i, path in enumerate(paths)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,patient", *rows]))
    add = ("datasets", "add", "mine", "--images", "list.csv", "--force")
    assert "repeat with --column group=patient" in etl(*add)[2]
    code, out, err = etl(*add, "--column", "group=patient", "--json")
    assert (code, json.loads(out)["groups"]) == (0, 18)
    assert "note: 1 of " in err
    info = read_custom_dataset(own / "mine.toml")
    monkeypatch.setitem(DATASETS.entries, "mine", info)
    code, out, _ = etl("datasets", "check", "mine", "--no-fingerprint")
    assert info.groups == "column 'patient'"
    assert (code, "note: images-without-group: 1 of 36 images" in out) == (0, True)


def test_add_lists_bad_files_as_a_table_and_leaves_them_out_if_told(etl: Etl, own: Path, tmp_path: Path) -> None:
    class_folders(tmp_path / "birds", THREE)
    (tmp_path / "birds" / "crow" / "empty.jpg").write_bytes(b"")
    (tmp_path / "birds" / "jay" / "link.jpg").symlink_to("nowhere.jpg")
    code, out, err = etl("datasets", "add", "birds", "--images", "birds")
    assert (code, err.count("\n"), err[:6]) == (2, 1, "error:")
    assert [line.split()[:2] for line in out.splitlines() if "/" in line] == [
        ["crow/empty.jpg", "has"],
        ["jay/link.jpg", "is"],
    ]
    assert not own.exists()
    code, out, _ = etl("datasets", "add", "birds", "--images", "birds", "--json")
    assert [row["image"] for row in json.loads(out)] == ["crow/empty.jpg", "jay/link.jpg"]
    options = ["--skip-broken", "--min-images", "12", "--name", "jay=blue jay", "--no-orient", "--json"]
    code, out, err = etl("datasets", "add", "birds", "--images", "birds", *options)
    assert (code, json.loads(out)["broken_images"]) == (0, 2)
    config = read_custom_dataset(own / "birds.toml").reader.config  # type: ignore[attr-defined]
    assert (config.skip, config.names, config.orient) == (
        ("crow/empty.jpg", "jay/link.jpg"),
        {"jay": "blue jay"},
        False,
    )


# --- check ------------------------------------------------------------------------------------------------------------


def test_check_names_problems_and_commands_and_ends_with_1(etl: Etl, tmp_path: Path) -> None:
    write_dataset(tmp_path, "eurosat")
    code, out, err = etl("datasets", "check", "--data-root", str(tmp_path))
    assert (code, out.splitlines()[0]) == (0, "eurosat: fine")
    assert "fingerprint" in out
    assert re.search(r"not here: \d\d more datasets", err)
    next((tmp_path / "eurosat" / "2750").rglob("*.png")).write_bytes(b"")
    code, out, _ = etl("datasets", "check", "eurosat", "--data-root", str(tmp_path))
    assert (code, out.splitlines()[0]) == (1, "eurosat: 1 problem")
    assert f"    fix: etl-bench datasets fetch eurosat --again --data-root {tmp_path}" in out
    code, out, _ = etl("datasets", "check", "eurosat", "--data-root", str(tmp_path), "--json")
    facts = json.loads(out)
    assert (code, facts[0]["fine"], facts[0]["checked_images"]) == (1, False, 28)


def test_check_without_anything_to_check_says_so(etl: Etl, tmp_path: Path) -> None:
    code, _, err = etl("datasets", "check", "--data-root", str(tmp_path))
    assert (code, "give a name" in err) == (0, True)
    code, _, err = etl("datasets", "check", "eurosat")
    assert (code, "data folder was given" in err) == (2, True)


# --- fetch ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A server on this machine with EuroSAT's split file, and no other source of it."""
    folder = tmp_path / "www"
    folder.mkdir()
    split = {"train": [["A/1.jpg", 0, "a"]], "val": [], "test": [["B/1.jpg", 1, "b"]]}
    (folder / "split_zhou_EuroSAT.json").write_text(json.dumps(split))
    digest = hashlib.sha256((folder / "split_zhou_EuroSAT.json").read_bytes()).hexdigest()
    listed = {"name": "split_zhou_EuroSAT.json", "urls": ["http://127.0.0.1:9/x"], "to": "split_zhou_EuroSAT.json"}
    listed["checksum"] = f"sha256:{digest}"
    source = DatasetSource.model_validate(
        {"folder": "eurosat", "images": "2750", "files": [listed], "by_hand": "Dig {folder}."}
    )
    monkeypatch.setattr("datasets_registry.dataset_sources", lambda: {"eurosat": source})
    monkeypatch.setattr("datasets_registry._download.download.time.sleep", lambda _seconds: None)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    serve = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_fetch_shows_the_licence_first_and_needs_a_yes(etl: Etl, mirror: str, tmp_path: Path) -> None:
    root = str(tmp_path / "data")
    code, out, err = etl("datasets", "fetch", "eurosat", "--data-root", root, "--mirror", mirror)
    assert (code, out) == (2, "")
    assert "  licence: MIT (its repository)" in err
    assert "accept them with --yes." in err
    assert not Path(root).exists()
    code, out, err = etl("datasets", "fetch", "eurosat", "--data-root", root, "--mirror", mirror, "--yes")
    assert (code, out.splitlines()) == (
        1,
        ["eurosat: fetched split_zhou_EuroSAT.json", f"eurosat: left to do by hand: Dig {root}/eurosat."],
    )
    assert "split_zhou_EuroSAT.json: 74 B of 74 B" in err
    code, out, _ = etl("datasets", "fetch", "eurosat", "--data-root", root, "--splits-only")
    assert (code, out) == (0, "eurosat: nothing to fetch; already present: split_zhou_EuroSAT.json\n")


def test_fetch_warns_of_an_unknown_licence_before_it_downloads(etl: Etl, tmp_path: Path) -> None:
    code, _, err = etl("datasets", "fetch", "busi", "ctkidney", "--data-root", str(tmp_path / "data"))
    busi, ctkidney = err.split("CTKidney (ctkidney)")
    warning = "  warning: no licence is known; ask the owner before you use or share the images"
    assert (code, warning in busi, warning in ctkidney) == (2, True, False)
    assert "  by hand: the images, as described at the end" in busi
    err = etl("datasets", "fetch", "pcam", "--data-root", str(tmp_path / "data"))[2]
    assert "  to fetch: 9 files, at least 8.0 GB: camelyonpatch_level_2_split_train_x.h5.gz (6.4 GB), camelyon" in err
    assert not (tmp_path / "data").exists()


def test_fetch_of_a_collection_asks_once_goes_on_after_a_failure_and_resumes(
    etl: Etl, mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eurosat = registry.dataset_sources()["eurosat"]
    (tmp_path / "www/cat.json").write_text("{}")
    found = {"name": "cat.json", "urls": [f"{mirror}/cat.json"], "to": "cat.json", "size": 2}
    found["checksum"] = f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    flowers = DatasetSource.model_validate({"folder": "flowers", "images": "jpg", "files": [found]})
    gone = found | {"name": "gone.json", "urls": [f"{mirror}/gone.json"], "to": "gone.json"}
    dtd = DatasetSource.model_validate({"folder": "dtd", "images": "images", "files": [gone]})
    sources = {"dtd": dtd, "eurosat": eurosat, "oxford_flowers": flowers}
    monkeypatch.setattr("datasets_registry.dataset_sources", lambda: sources)
    monkeypatch.setattr("datasets_registry._collections.COLLECTIONS", {"three": tuple(sources)})
    command = ("datasets", "fetch", "all-of", "three", "--data-root", str(tmp_path / "data"), "--mirror", mirror)
    code, _, err = etl(*command)
    assert (code, err.count("must be accepted")) == (2, 1)
    for name in sources:
        assert f"  licence: {DATASETS.get(name).licence}\n" in err
    assert "all: 3 files, at least 4" in err
    code, out, err = etl(*command, "--yes")
    last = "complete: 1 of 3 datasets; failed: dtd; by hand: eurosat"
    assert (code, out.splitlines()[-1]) == (1, last)
    assert "error: dtd: gone.json could" in err
    assert f"eurosat: left to do by hand: Dig {tmp_path / 'data'}/eurosat." in out
    (tmp_path / "www/gone.json").write_text("{}")
    (tmp_path / "data/eurosat/2750/AnnualCrop").mkdir(parents=True)
    code, out, err = etl(*command, "--yes")
    assert (code, out.splitlines()[-1]) == (0, "complete: 3 of 3 datasets")
    assert "fetch; already present: cat.json" in out
    assert "In all: 1 file, 2 B\n" in err
    assert "by hand" not in err
    assert "dtd eurosat oxford_flowers --data-root" in err


def test_fetch_uses_an_unverified_mirror_on_request_and_says_so(
    etl: Etl, mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = registry.dataset_sources()["eurosat"].model_dump()
    source["mirror"] = {"name": "copy.zip", "urls": ["http://127.0.0.1:9/copy.zip"], "unpack": {"": ""}}
    with zipfile.ZipFile(tmp_path / "www/copy.zip", "w") as archive:
        archive.writestr("some/A/1.jpg", b"1")
        archive.writestr("some/B/1.jpg", b"2")
    sources = {"eurosat": DatasetSource.model_validate(source)}
    monkeypatch.setattr("datasets_registry.dataset_sources", lambda: sources)
    info = replace(DATASETS.get("eurosat"), expected={"train": 1, "val": 0, "test": 1})
    monkeypatch.setitem(DATASETS.entries, "eurosat", info)
    root = tmp_path / "data"
    command = ("datasets", "fetch", "eurosat", "--data-root", str(root), "--mirror", mirror, "--yes")
    code, out, err = etl(*command)
    assert (code, "command with --unverified-mirrors" in out, "copy.zip" in err) == (1, True, False)
    code, out, err = etl(*command, "--unverified-mirrors")
    assert (code, out) == (0, "eurosat: fetched copy.zip; already present: split_zhou_EuroSAT.json\n")
    assert "  the images are from an unverified mirror, http://127.0.0.1:9/copy.zip; they must include" in err
    assert (root / "eurosat/2750/B/1.jpg").read_bytes() == b"2"
    shown = json.loads(etl("datasets", "eurosat", "--data-root", str(root), "--json")[1])
    assert shown["images_from_mirror"]["origin"] == "unverified mirror"


# --- draw -------------------------------------------------------------------------------------------------------------


def test_a_draw_with_fewer_images_than_shots_says_so(etl: Etl, tmp_path: Path) -> None:
    write_dataset(tmp_path, "eurosat", train=3)
    command = ("datasets", "draw", "eurosat", "--shots", "4", "--data-root", str(tmp_path))
    code, _, err = etl(*command)
    assert (code, "3 shots, --allow-fewer to take" in err) == (2, True)
    code, out, _ = etl(*command, "--allow-fewer")
    drawn = json.loads(out)
    assert (code, len(drawn["train"])) == (0, 12)
    assert drawn["fewer_than_shots"] == {f"class {label}": 3 for label in range(4)}


# --- the README and the tutorial --------------------------------------------------------------------------------------


def test_the_readmes_command_and_the_tutorials_file_work_as_printed(etl: Etl, own: Path, tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text().partition("## Use your own images")[2]
    command = re.search(r"^etl-bench (datasets add .*)$", text, flags=re.M)
    tutorial = (ROOT / "docs" / "tutorials" / "own-images.md").read_text()
    written = re.search(r"```toml\n(.*?)```", tutorial, flags=re.S)
    assert command
    assert written
    assert len(written[1].splitlines()) == 5
    class_folders(tmp_path / "birds")
    code, _, err = etl(*shlex.split(command[1]))
    assert code == 0, err
    (own / "by_hand.toml").write_text(written[1])
    info = read_custom_dataset(own / "by_hand.toml")
    assert (info.title, info.reader(None).class_names) == ("Birds", ("crow", "sea gull"))
