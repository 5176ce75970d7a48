import json
import re
from pathlib import Path

import pytest

from bench.analysis.easy_and_hard import FEWEST_FOR_THIRDS
from bench.api import demonstration
from bench.cli import demo
from bench.papers import load_claims, registered
from datasets_registry import DATASETS, get_dataset
from methods import METHODS

FAKE = ["--runner", "fake_runner", "--jobs", "0"]


@pytest.fixture
def etl(etl, monkeypatch, tmp_path: Path):
    """The command in an empty folder; gives exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(demo.shutil, "which", lambda _: "/usr/bin/etl-bench")
    return etl


def test_the_demo_names_registered_methods_and_eleven_datasets():
    assert {*demonstration.METHODS, *demonstration.QUICK_METHODS} <= set(METHODS)
    assert sorted(name.partition(":")[0] for name in demonstration.DATASETS) == DATASETS.match("spectrum_*")
    assert set(demonstration.QUICK_DATASETS) <= set(demonstration.DATASETS)


def test_the_demo_has_the_runs_that_decide_every_claim_of_its_protocol():
    request, claims = demonstration.demo_request(quick=False), load_claims()
    assert [claim.id for claim in claims if claim.protocol != request.protocol] == ["lora-far", "lora-hard"]
    for claim in claims:
        if claim.protocol == request.protocol:
            compared = {"zero_shot"} if claim.contrast == "regret" else {claim.a, claim.b}
            assert compared <= set(request.methods), claim.id
            assert claim.shots in (None, *request.shots), claim.id
    assert request.keep_branches  # a constant ensemble weight needs both branches
    assert len(request.seeds) == 3  # a test needs two
    assert len(request.datasets) >= FEWEST_FOR_THIRDS  # thirds by difficulty, and policies


def test_a_claim_that_the_demo_does_not_decide_says_what_to_run(etl):
    etl("demo", "--quick", *FAKE)
    code, out, _ = etl("papers", "claims", "--runs", "runs/demo", "--json")
    assert code == 0
    left = {row["claim"]["id"]: row for row in json.loads(out)}
    for name in ("lora-far", "lora-hard"):
        assert left[name]["verdict"] == "not tested"
        assert "`etl-bench run -m clip_lora,maple --protocol few-shot`" in left[name]["reason"]


def test_the_demo_tests_on_ten_images_of_every_class():
    sizes = [len(get_dataset(name).reader(None).test) for name in demonstration.DATASETS]
    assert sum(sizes) == 1950


def test_a_second_demo_runs_nothing(etl, tmp_path: Path):
    code, _, err = etl("demo", "--quick", *FAKE)
    assert code == 0
    assert "12 runs: 0 done, 12 to do, 3 difficulties to measure" in err
    assert (tmp_path / "site" / "index.html").stat().st_size > 1000
    code, _, err = etl("demo", "--quick", *FAKE)
    assert (code, "12 runs: 12 done, 0 to do" in err) == (0, True)


def test_the_demo_ends_with_a_board_the_finding_the_page_and_commands_that_work(etl):
    code, out, _ = etl("demo", "--quick", "--runs", "my runs", *FAKE)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("ViT-demo.drawn, base-to-new, 6 shots, 3 datasets; H is")
    assert lines[1].split()[:3] == ["rank", "method", "H"]
    titles = [registered().method(name).title for name in demonstration.QUICK_METHODS]
    assert sorted(re.split("  +", line.strip())[1] for line in lines[3 : 3 + len(titles)]) == sorted(titles)
    _, basis, remark, empty, page, title, *commands = lines[-8:]
    assert basis.startswith("Mean H ")
    assert "3 datasets, 1 seed, 12 runs" in basis
    assert remark.startswith("Demo: short trainings")
    assert (empty, page, title) == ("", "Report: site/index.html", "Next:")
    assert commands == [
        "  etl-bench compare coop zero_shot --runs 'my runs'",
        "  etl-bench leaderboard --runs 'my runs'",
    ]
    for command in (["compare", "coop", "zero_shot"], ["leaderboard"]):
        assert etl(*command, "--runs", "my runs")[0] == 0


def test_the_whole_demo_names_the_commands_that_use_its_seeds(monkeypatch):
    monkeypatch.setattr(demo.shutil, "which", lambda _: None)
    monkeypatch.setattr(demo.sys, "argv", [".venv/bin/etl-bench", "demo"])
    assert demo.next_commands(Path("runs/demo"), quick=False) == [
        ".venv/bin/etl-bench compare apex vpt_text_adapter --runs runs/demo",
        ".venv/bin/etl-bench papers claims --runs runs/demo",
    ]


def test_without_the_command_python_is_named(monkeypatch):
    monkeypatch.setattr(demo.shutil, "which", lambda _: None)
    monkeypatch.setattr(demo.sys, "argv", ["/somewhere/bench/__main__.py"])
    monkeypatch.setattr(demo.sys, "executable", "/usr/bin/python3")
    first, _ = demo.next_commands(Path("r"), quick=True)
    assert first == "/usr/bin/python3 -m bench compare coop zero_shot --runs r"


def test_a_demo_whose_runs_all_failed_says_so(etl, monkeypatch):
    monkeypatch.setenv("FAKE_RUNNER", '{"fail": [" on "]}')
    code, out, err = etl("demo", "--quick", *FAKE)
    assert code == 1
    assert "12 failed" in err
    assert "Report: site/index.html" in out


def test_the_demo_backbone_is_the_registered_one():
    from methods import known_architectures

    assert known_architectures()["ViT-demo"] == ["drawn"]
