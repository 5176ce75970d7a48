"""Texts that pages keep from one process to the next."""

from __future__ import annotations

import itertools
import json

import pytest
from typer.testing import CliRunner

from bench.cli.app import app
from bench.results.text_cache import TextCache


@pytest.fixture
def made():
    """Makes a text that says how often it was made."""
    numbers = itertools.count(1)
    return lambda: f"text {next(numbers)} – é"


def test_what_is_kept_is_listed_and_cleared(tmp_path):
    kept = TextCache(tmp_path)
    assert (kept.sizes(), kept.clear(), TextCache(None).sizes()) == ({}, 0, {})
    kept.text("a", "k", lambda: "text")
    (size,) = kept.sizes().values()
    assert size == 64 + len("text")
    listed = CliRunner().invoke(app, ["doctor", "cache", "list", "--json", "--cache", str(tmp_path)])
    assert [(row["of"], row["shards"]) for row in json.loads(listed.stdout)] == [("pages", 1)]
    assert CliRunner().invoke(app, ["doctor", "cache", "clear", "--cache", str(tmp_path)]).exit_code == 0
    assert kept.sizes() == {}


def test_a_text_is_made_once_and_another_key_makes_it_anew_and_replaces_it(tmp_path, made):
    assert [TextCache(tmp_path).text("runtime", "1.0", made) for _ in range(2)] == ["text 1 – é"] * 2
    kept = TextCache(tmp_path)
    assert kept.text("runtime", "1.1", made) == "text 2 – é"
    assert len(list((tmp_path / "pages").iterdir())) == 1


@pytest.mark.parametrize("damage", [lambda data: data[:-3], lambda _: b"", lambda _: b"\xff"])
def test_a_damaged_file_is_made_anew(tmp_path, made, damage):
    kept = TextCache(tmp_path)
    kept.text("runtime", "1.0", made)
    (file,) = (tmp_path / "pages").iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert kept.text("runtime", "1.0", made) == "text 2 – é"
    assert kept.text("runtime", "1.0", made) == "text 2 – é"


def test_without_a_usable_folder_nothing_is_kept(tmp_path, made):
    (tmp_path / "file").write_text("")
    for kept in (TextCache(), TextCache(tmp_path / "file")):
        assert kept.text("runtime", "1.0", made) != kept.text("runtime", "1.0", made)
