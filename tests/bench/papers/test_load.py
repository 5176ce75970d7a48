import json
from pathlib import Path

import numpy as np
import pytest
from fake_runner import make_record, make_spec

from bench.api.results import load_results
from bench.errors import UsageError
from bench.papers.published_numbers import select
from bench.results.database import Store
from bench.results.shards import Shards


def test_selection(frame):
    chosen = select(frame, methods=["coop"], datasets=["dtd"], protocol="base-to-new", shots=[16], splits=["new"])
    assert set(chosen["method"]) == {"coop"}
    assert len(chosen) > 3
    with pytest.raises(UsageError, match="has method 'cop'.*'coop'.*--list method"):
        select(frame, methods=["cop"])
    with pytest.raises(UsageError, match=r"shots '3'.* Known: 0, 1, 2, "):
        select(frame, methods=["coop"], shots=[3])
    with pytest.raises(UsageError, match="Those of method zero_shot have protocol .*zero-shot"):
        select(frame, methods=["zero_shot"], protocol="few-shot")


def test_a_query_reads_them_as_a_table_and_the_command_also_without_runs(etl, tmp_path: Path, frame):
    Shards(tmp_path).write(make_record(make_spec()))
    results = load_results(tmp_path)
    stored = results.query("select * from published")
    assert np.sort(stored["value"]).tolist() == np.sort(frame["value"]).tolist()
    counted = results.query("select count(*) as n from published, runs where published.dataset = 'eurosat'")
    assert counted["n"][0] == len(frame[frame["dataset"] == "eurosat"])
    assert "published" not in Store(tmp_path).query("show tables")["name"].tolist()
    code, out, err = etl("runs", "sql", "select count(*) as n from published", "--runs", tmp_path / "none", "--json")
    assert (code, json.loads(out)) == (0, [{"n": len(frame)}])
    assert "no runs" in err


def test_the_command(etl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)  # a clone may have the runs of a demo
    chosen = ("papers", "published", "-m", "apex", "-d", "eurosat", "--splits", "new")
    code, out, _ = etl(*chosen, "--json")
    assert code == 0
    rows = json.loads(out)
    assert {row["dataset"] for row in rows} == {"eurosat"}
    assert rows[0]["reported_in"].startswith("APEX")
    _, out, err = etl(*chosen, "--shots", "16")
    assert "79.89" in out
    assert "not independent" in err
    monkeypatch.setattr("bench.cli._print.terminal_width", lambda _: 80)
    _, out, _ = etl("papers", "published", "-m", "coop", "-d", "eurosat", "--protocol", "base-to-new")
    assert {"printed", "source"} <= set(out.splitlines()[0].split()), "a narrow terminal keeps the source"
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert max(map(len, etl("papers", "published", "-m", "apex")[1].splitlines())) < 250, "without addresses and notes"
    assert etl("papers", "reproduce", "Apex", "--json") == etl("papers", "reproduce", "apex", "--json")
    assert "base-to-new" in etl("papers", "published", "--list", "protocol")[1]
    code, _, err = etl("papers", "published", "--list", "colour")
    assert code == 2
    assert "Allowed: method, dataset" in err
