"""Damaged, edited and hostile feature packs are refused in one line, by the check and before a run."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bundle_files import rewritten

from bench.context import RunContext
from bench.experiment import runner
from bench.extensions.packs import PackError, check_pack, make_pack, stored
from bench.extensions.packs.contents import CONTENTS, PACK
from bench.results import Staleness, open_archive
from bench.sweep import SweepRequest, expand

DATASET = "spectrum_basic:test=1"
Files = dict[str, bytes]
Change = Callable[[Files], object]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack")
    given = {"shots": 1, "seeds": 1, "cache": folder / "cache", "device": "cpu"}
    return make_pack(DATASET, "ViT-tiny.random", folder / "whole.pack", **given).path


def edited(name: str, change: Callable[[dict], object]) -> Change:
    """A change of the JSON of one file."""

    def edit(files: Files) -> None:
        facts = json.loads(files[name])
        change(facts)
        files[name] = json.dumps(facts).encode()

    return edit


def replaced(name: str, content: Callable[[bytes], bytes]) -> Change:
    return lambda files: files.update({name: content(files[name])})


def dataset(**values: object) -> Change:
    return edited(CONTENTS, lambda facts: facts["datasets"][0].update(values))


def lists(**values: object) -> Change:
    return edited("0.json", lambda facts: facts.update(values))


NOT_FINITE = np.float32("nan").tobytes()
HONEST: dict[str, tuple[Change, str]] = {
    "a path outside": (lambda files: files.update({"../0.json": b"{}"}), "'../0.json'"),
    "an absolute path": (lambda files: files.update({"/tmp/0.json": b"{}"}), "'/tmp/0.json'"),
    "a pickle": (lambda files: files.update({"0.pkl": pickle.dumps({})}), "0.pkl"),
    "one file more": (lambda files: files.update({"7.json": b"{}"}), "7.json"),
    "one file fewer": (lambda files: files.pop("0-texts.f32"), "0-texts.f32"),
    "no contents": (lambda files: files.pop(CONTENTS), CONTENTS),
    "contents that are no JSON": (replaced(CONTENTS, lambda _: b"{"), CONTENTS),
    "contents of nested lists": (replaced(CONTENTS, lambda _: b"[" * 100_000), CONTENTS),
    "more values than are read": (replaced("0.json", lambda _: b"[" + b"0," * 5_000_000 + b"0]"), "0.json"),
    "a pickle in place of lists": (replaced("0.json", lambda _: pickle.dumps({})), "0.json"),
    "features of another width": (edited(CONTENTS, lambda facts: facts["tower"].update(dim=63)), "63 numbers"),
    "a width without end": (edited(CONTENTS, lambda facts: facts["tower"].update(dim=2**40)), "dim"),
    "a scale that is no number": (edited(CONTENTS, lambda facts: facts["tower"].update(logit_scale="inf")), "scale"),
    "a slug with a path": (edited(CONTENTS, lambda facts: facts["tower"].update(slug="../x")), "slug"),
    "features that are cut": (replaced("0-images.f32", lambda content: content[:-4]), "0-images.f32"),
    "features that are not finite": (replaced("0-images.f32", lambda c: NOT_FINITE + c[4:]), "not finite"),
    "texts that are not finite": (replaced("0-texts.f32", lambda c: NOT_FINITE + c[4:]), "not finite"),
    "more images than it has": (dataset(images=5), "numbers of images"),
    "views without a file": (dataset(views=[{"crop_scale": [0.5, 1.0], "seed": 1, "count": 2}]), "0-0-0.f32"),
    "more views than are allowed": (dataset(views=[{"crop_scale": [0.5, 1.0], "seed": 1, "count": 10**9}]), "count"),
    "a crop outside the image": (dataset(views=[{"crop_scale": [0.5, 2.0], "seed": 1, "count": 1}]), "crop_scale"),
    "a line break in a licence": (dataset(licence="MIT\nerror: none"), "licence"),
    "a field that is not known": (dataset(command="rm"), "command"),
    "a label of no class": (edited("0.json", lambda facts: facts["labels"].__setitem__(0, 999)), "label"),
    "an image outside the lists": (edited("0.json", lambda f: f["images"].__setitem__(0, 10**6)), "not in its lists"),
    "a negative place": (edited("0.json", lambda facts: facts["images"].__setitem__(0, -1)), "images"),
    "a support image without features": (lists(support={"1": [10**5]}), "no features"),
    "lists of different lengths": (lists(labels=[0]), "lengths"),
    "a digest that is none": (edited("0.json", lambda facts: facts["digests"].__setitem__(0, "x")), "digests"),
    "a version of tomorrow": (
        edited(PACK.list_name, lambda facts: facts.update(pack_version=99)), "version 99"
    ),
}  # fmt: skip


def refused(path: Path, said: str) -> None:
    with pytest.raises(PackError) as error:
        check_pack(path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("attack", HONEST)
def test_a_pack_with_a_list_that_fits_is_refused_for_its_content(attack: str, pack: Path) -> None:
    change, said = HONEST[attack]
    refused(rewritten(pack, change, honest_list="version" not in attack, packed=True, kind=PACK), said)


EDITED: dict[str, tuple[Change, str]] = {
    "a changed feature": (replaced("0-images.f32", lambda content: b"\x01" + content[1:]), "0-images.f32"),
    "a changed label": (edited("0.json", lambda facts: facts["labels"].__setitem__(0, 1)), "0.json"),
    "a changed digest of weights": (edited(CONTENTS, lambda f: f["tower"].update(digest="0" * 32)), CONTENTS),
    "another root": (edited(PACK.list_name, lambda facts: facts.update(root="0" * 64)), "root"),
    "no list": (lambda files: files.pop(PACK.list_name), PACK.list_name),
}


@pytest.mark.parametrize("attack", EDITED)
def test_an_edited_pack_is_refused_by_the_check_and_by_a_run(attack: str, pack: Path, etl, tmp_path: Path) -> None:
    change, said = EDITED[attack]
    altered = rewritten(pack, change, kind=PACK)
    refused(altered, said)
    words = ["run", "--pack", str(altered), "-m", "zero_shot", "-d", DATASET, "--runs", str(tmp_path / "runs")]
    code, out, error = etl(*words, "--jobs", "0")
    assert (code, out, len(error.splitlines())) == (2, "", 1)
    assert said in error
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_truncated_pack_is_refused(share: float, pack: Path, etl, tmp_path: Path) -> None:
    content = pack.read_bytes()
    (tmp_path / "cut.pack").write_bytes(content[: int(share * len(content))])
    refused(tmp_path / "cut.pack", "cut.pack")
    code, _, error = etl("datasets", "check-pack", str(tmp_path / "cut.pack"))
    assert (code, len(error.splitlines())) == (2, 1)


def test_a_folder_and_a_missing_file_are_no_packs(tmp_path: Path) -> None:
    refused(tmp_path, str(tmp_path))
    refused(tmp_path / "absent.pack", "absent.pack")


def test_a_file_that_changes_while_it_is_used_is_not_mixed_with_its_successor(pack: Path, tmp_path: Path) -> None:
    place = tmp_path / "moving.pack"
    place.write_bytes(pack.read_bytes())
    opened = check_pack(place)
    images = opened.splits(DATASET).images
    other = rewritten(place, replaced("0-images.f32", lambda c: c[:4] + c[:-4]), honest_list=True, kind=PACK)
    other.replace(place)
    with pytest.raises(PackError, match="changed while"):
        images.rows(["0/28"], "center.v1")


def test_the_list_of_a_pack_is_read_once_by_each_process(pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was forked opens the file for itself."""
    opened = []
    monkeypatch.setattr(stored, "open_archive", lambda kind, path: opened.append(path) or open_archive(kind, path))
    kept = pack.rename(pack.with_name("kept.pack"))
    found = check_pack(kept)
    found.check()
    assert opened == [kept]
    monkeypatch.setattr(os, "getpid", lambda: 1)
    found.check()
    found.check()
    assert opened == [kept, kept]
    kept.rename(pack)


def test_a_run_names_the_stated_weights_and_its_pack(pack: Path) -> None:
    """So results from a forged digest of weights are not taken for those of the weights that it hides."""
    forged = rewritten(
        pack, edited(CONTENTS, lambda f: f["tower"].update(digest="0" * 32)), honest_list=True, kind=PACK
    )
    request = SweepRequest.build(methods=["zero_shot"], datasets=[DATASET], pack=pack, protocol="few-shot")
    (spec,) = expand(request).specs
    for place, digest in ((pack, check_pack(pack).backbone_digest), (forged, "0" * 32)):
        record, _ = runner.run_experiment(spec, RunContext(pack=place))
        made = record.provenance
        assert (made.backbone_digest, made.pack) == (digest, check_pack(place).digest)
        assert bool(Staleness(None, lambda _: "0" * 32).reasons(record)) == (place == pack)
