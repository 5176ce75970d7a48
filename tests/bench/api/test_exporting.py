"""Figures and tables for the user's own paper."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from worlds import make_world

from reports.map.figure import TONES

RATES = {"zero_shot": 0.5, "coop": 0.7, "maple": 0.75, "vpt": 0.6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four methods on two datasets, a run of VPT is missing."""
    folder = tmp_path_factory.mktemp("runs")
    accuracies = {method: {name: {"base": rate, "new": rate} for name in "ab"} for method, rate in RATES.items()}
    make_world(folder, {name: found for name, found in accuracies.items() if name != "vpt"})
    make_world(folder, {"vpt": {"a": accuracies["vpt"]["a"]}})
    return folder


@pytest.fixture(scope="module")
def many_shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shots")
    for shots in (4, 16):
        trained = {"coop": {"a": {"base": 0.5 + shots / 50, "new": 0.6}}}
        make_world(folder, trained, shots=shots)
    make_world(folder, {"zero_shot": {"a": {"base": 0.5, "new": 0.5}}})
    return folder


def texts(svg: Path) -> list[str]:
    return ["".join(node.itertext()) for node in ET.parse(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("kind", ["map", "difficulty", "cost"])
def test_a_figure_has_the_chosen_methods_in_their_order_and_says_what_it_lacks(kind, folder, tmp_path, etl):
    out = tmp_path / "figure.svg"
    given = ("--runs", str(folder), "--figure", kind, "--out", str(out), "-m", "vpt,maple,coop")
    code, line, error = etl("export", *given)
    assert code == 0, error
    assert line.count("\n") == 1
    assert line.startswith(f"{out}: ")
    assert "of VPT missing" in line
    shown = [text for text in texts(out) if text in ("VPT", "MaPLe", "CoOp")]
    if kind == "difficulty":
        assert shown == ["VPT", "MaPLe"]
        assert "Disc: VPT. Dash: MaPLe." in line
    else:
        assert set(shown) == {"VPT", "MaPLe", "CoOp"}
    if kind == "map":
        assert list(dict.fromkeys(shown)) == ["VPT", "MaPLe", "CoOp"]
        assert "no difficulty is known" in line
        assert any("interval here" in text for text in texts(out))
        assert not any("similar datasets" in text for text in texts(out))
    assert "var(" not in out.read_text("utf-8"), "colours of the light page"


def test_the_figure_of_shots_has_a_panel_for_the_mean_and_each_dataset_and_marks_for_single_numbers(
    many_shots, tmp_path, etl
):
    runs, out = tmp_path / "runs", tmp_path / "shots.svg"
    shutil.copytree(many_shots, runs)
    make_world(runs, {"maple": {"a": {"base": 0.8, "new": 0.6}}}, shots=4)
    make_world(runs, {"vpt": {"a": {"base": 0.4, "new": 0.6}}}, shots=16)
    given = ("export", "--runs", str(runs), "--figure", "shots", "--out", str(out), "-m", "coop,zero_shot,maple,vpt")
    code, line, error = etl(*given)
    assert code == 0, error
    assert "4 methods" in line
    assert "4 and 16 shots" in line
    assert {"Mean H", "a", "CoOp"} <= set(texts(out))
    assert "MaPLe with 16 shots" in line
    assert "VPT with 4 shots" in line
    assert "CoOp with" not in line
    tips = [node.get("data-tip") for node in ET.parse(out).iter() if node.get("data-tip")]
    for name, shots in (("MaPLe", 4), ("VPT", 16)):
        assert [tip for tip in tips if f": {name} " in tip and tip.startswith(f"Mean H, {shots} shots")]


@pytest.mark.parametrize(("suffix", "start"), [("pdf", b"%PDF-"), ("png", b"\x89PNG")])
def test_a_figure_is_written_without_a_browser(suffix, start, folder, tmp_path, etl):
    out = tmp_path / f"cost.{suffix}"
    assert etl("export", "--runs", str(folder), "--figure", "cost", "--out", str(out))[0] == 0
    assert out.read_bytes().startswith(start)


def test_a_figure_of_several_settings_asks_for_one(many_shots, tmp_path, etl):
    code, _, error = etl("export", "--runs", str(many_shots), "--figure", "map", "--out", str(tmp_path / "a.pdf"))
    assert code == 2
    assert "--protocol" in error
    given = ("--figure", "map", "--shots", "4", "--out", str(tmp_path / "a.svg"))
    assert etl("export", "--runs", str(many_shots), *given)[0] == 0


def test_a_table_has_the_chosen_methods_in_their_order_and_can_leave_the_intervals_out(folder, etl):
    given = ("export", "--runs", str(folder), "--format", "latex", "-m", "coop,zero_shot,maple")
    rows = [line.split("&")[1].strip() for line in etl(*given)[1].splitlines() if line.count("&") > 3][1:]
    assert rows == ["CoOp", "Zero-shot CLIP", "MaPLe"]
    assert "pm$" in etl(*given)[1]
    code, text, _ = etl(*given, "--no-intervals")
    assert code == 0
    assert "pm$" not in text
    assert "95" not in text
    assert re.findall(r"\\textbf{\d\d\.\d\d}", text)


def test_a_dash_is_standard_output(folder, tmp_path, etl, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = etl("export", "--runs", str(folder), "--format", "markdown")
    assert etl("export", "--runs", str(folder), "--format", "markdown", "--out", "-") == printed
    assert list(tmp_path.iterdir()) == []


def test_the_colours_of_the_map_are_those_of_the_page():
    tokens = Path("reports/templates/style/tokens.css").read_text("utf-8")
    assert dict(re.findall(r"--([lg]\d): light-dark\((#\w+),", tokens)) == TONES


@pytest.mark.parametrize("command", ["export", "leaderboard"])
def test_where_no_run_fits_the_runs_are_named_and_not_the_kind_of_average(command: str, folder: Path, etl):
    given = ("--runs", str(folder), "--shots", "3", "--h", "h_of_means")
    code, _, error = etl(command, *given)
    assert code == 2
    assert str(folder) in error
    assert "--h " not in error
