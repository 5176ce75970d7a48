import json
import re
from pathlib import Path

import pytest
from answering import answer

from bench.analysis.easy_and_hard import FEWEST_FOR_THIRDS
from bench.api import demonstration
from bench.cli import demo
from bench.papers import registered
from datasets_registry import DATASETS
from methods import METHODS

FAKE = ["--runner", "fake_runner", "--jobs", "0"]
DEMO = ["demo", "--quick", "--runs", "my runs", *FAKE]


@pytest.fixture
def etl(etl, monkeypatch, tmp_path: Path):
    """The command in an empty folder; gives exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(demo.shutil, "which", lambda _: "/usr/bin/etl-bench")
    return etl


def test_the_demo_names_registered_methods_and_eleven_datasets():
    requests = [request for quick in (True, False) for request in demonstration.demo_requests(quick=quick)]
    assert {method for request in requests for method in request.methods} <= set(METHODS)
    assert sorted(name.partition(":")[0] for name in demonstration.DATASETS) == DATASETS.match("spectrum_*")
    assert set(demonstration.QUICK_DATASETS) <= set(demonstration.DATASETS)


def test_few_shot_comes_first_and_is_the_larger_half():
    few_shot, base_to_new = demonstration.demo_requests(quick=False)
    assert (few_shot.protocol, base_to_new.protocol) == ("few-shot", "base-to-new")
    for one in (few_shot, base_to_new):
        assert one.methods[0] == "zero_shot"
        assert len(one.datasets) >= FEWEST_FOR_THIRDS  # thirds by difficulty, and advice
        assert len(one.seeds) >= 2  # a test needs two
    assert len(few_shot.methods) > len(base_to_new.methods)  # the page opens with the larger half


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory):
    """A folder with a demo, and the exit code, stdout and stderr of its command."""
    place = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("ETL_BENCH_CACHE", str(place / "cache"))
        patch.setattr(demo.shutil, "which", lambda _: "/usr/bin/etl-bench")
        return place, answer(DEMO)


def test_a_second_demo_runs_nothing_and_says_what_a_claim_lacks(etl, demonstrated, monkeypatch):
    place, (code, _, err) = demonstrated
    assert code == 0
    assert "12 runs: 0 done, 12 to do, 3" in err
    monkeypatch.chdir(place)
    code, _, err = etl(*DEMO)
    assert (code, "12 runs: 12 done, 0 to do" in err) == (0, True)
    code, out, _ = etl("papers", "claims", "--runs", "my runs", "--json")
    assert code == 0
    left = {row["claim"]["id"]: row for row in json.loads(out)}
    for name in ("lora-far", "lora-hard"):
        assert left[name]["verdict"] == "not tested", "undecided, with a reason"
        assert "`etl-bench run -m clip_lora,maple -d DATASETS" in left[name]["reason"]


def test_the_demo_ends_with_a_board_the_finding_the_page_and_commands_that_work(etl, demonstrated, monkeypatch):
    place, (_, out, _) = demonstrated
    monkeypatch.chdir(place)
    headline = re.search(r"<h1[^>]*>(.*?)</h1>", Path("site/index.html").read_text("utf-8"), re.DOTALL)
    assert headline
    assert 0 < len(re.sub("<[^>]+>", " ", headline[1]).split()) <= 30
    first, second, closing = out.split("\n\n")
    boards = {
        "few-shot": (first, demonstration.QUICK_FEW_SHOT),
        "base-to-new": (second, demonstration.QUICK_BASE_TO_NEW),
    }
    for protocol, (text, methods) in boards.items():
        lines = text.splitlines()
        assert lines[0].startswith(f"ViT-demo.drawn, {protocol}, 6 shots, 3 datasets")
        titles = [registered().method(name).title for name in methods]
        assert sorted(re.split("  +", line.strip())[1] for line in lines[3 : 3 + len(titles)]) == sorted(titles)
        assert any("3 datasets cannot tell about others" in line for line in lines)
        assert "Demo on " in lines[-1]
    assert closing.splitlines() == [
        "Report: site/index.html",
        "Next:",
        "  etl-bench compare linear_probe clip_adapter --runs 'my runs'",
        "  etl-bench papers reproduce apex --on synthetic",
    ]
    assert etl("compare", "linear_probe", "clip_adapter", "--runs", "my runs")[0] == 0
    assert etl("papers", "reproduce", "apex", "--on", "synthetic")[0] == 0


def test_without_the_command_python_is_named(monkeypatch):
    monkeypatch.setattr(demo.shutil, "which", lambda _: None)
    monkeypatch.setattr(demo.sys, "argv", ["/somewhere/bench/__main__.py"])
    monkeypatch.setattr(demo.sys, "executable", "/usr/bin/python3")
    first, _ = demo.next_commands(Path("r"))
    assert "compare linear_probe clip_adapter --runs" in first


def test_a_demo_whose_runs_all_failed_says_so(etl, monkeypatch):
    monkeypatch.setenv("FAKE_RUNNER", '{"fail": [" on "]}')
    code, out, err = etl("demo", "--quick", *FAKE)
    assert code == 1
    assert ("12 failed" in err, "9 failed" in err) == (True, True)
    assert "Report: site/index.html" in out
