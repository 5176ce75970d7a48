"""Claims from Python are those of the command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from worlds import make_world

from bench import UsageError, claims, load_results
from bench.table import WIDTH

DATASETS = [f"d{i}" for i in range(4)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("claims")
    rates = {
        "coop": {d: {"base": 0.6, "new": 0.6} for d in DATASETS},
        "apex": {d: {"base": 0.8, "new": 0.8} for d in DATASETS},
    }
    make_world(folder, rates, images=200)
    return folder


def test_the_table_has_a_row_for_each_claim(folder: Path, etl):
    table = claims(folder)
    rows = {row["claim"].partition(":")[0]: row for row in table.texts()}
    assert rows["headline-coop"]["verdict"] == "supported"
    assert re.search(r"\n.*95 % \+[\d.]+ to \+[\d.]+, ", rows["headline-coop"]["claim"])
    assert rows["headline"]["verdict"] == "not tested"
    frame = table.to_frame()
    assert list(frame["verdict"]) == [str(found.verdict) for found in table.source]
    (found,) = (found for found in table.source if found.claim.id == "headline-coop")
    numbers = frame.set_index("claim").loc["headline-coop", ["effect", "low", "high", "n", "p"]].tolist()
    assert numbers == [found.test.mean, found.test.low, found.test.high, found.test.n, found.p]
    assert 0 < numbers[1] < numbers[0] < 1, "a fraction"
    assert "supported" in str(table)
    assert max(len(line) for line in str(table).splitlines() if not line.startswith("  etl-bench")) <= WIDTH
    command = "  etl-bench run -m apex,maple -d DATASETS -b ViT-demo.drawn --protocol base-to-new --shots 16"
    assert f"{command} --runs {folder}" in str(table).splitlines(), "as many shots as the runs that there are"
    assert "<br>effect" in table._repr_html_()
    assert table._repr_html_().startswith("<table><caption>Claims")
    code, out, _ = etl("papers", "claims", "--runs", str(folder), "--json")
    assert code == 0
    assert [(row["claim"]["id"], row["verdict"]) for row in json.loads(out)] == [
        (found.claim.id, str(found.verdict)) for found in table.source
    ]


def test_own_claims_and_groups_are_taken(folder: Path, tmp_path: Path):
    fields = {"id": "mine", "sentence": "A is better.", "source": "", "a": "apex", "b": "coop", "measure": "base"}
    fields |= {"protocol": "base-to-new", "datasets": "hard"}
    file = tmp_path / "mine.toml"
    file.write_text("[[claim]]\n" + "\n".join(f'{key} = "{value}"' for key, value in fields.items()))
    (found,) = load_results(folder).claims(str(file), easy=DATASETS[:2], hard=DATASETS[2:]).source
    assert str(found.verdict) == "not tested" or found.datasets == ("d2", "d3")
    with pytest.raises(UsageError, match="read as TOML"):
        claims(folder, file=tmp_path / "none.toml")
