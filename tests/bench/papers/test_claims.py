import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from worlds import make_world

from bench.analysis import Leaderboard, build_leaderboards
from bench.analysis.easy_and_hard import chosen_groups, difficulty_groups
from bench.analysis.method_choice import Known, Policy
from bench.api.claims import claims_table
from bench.errors import UsageError
from bench.papers.claims import Claim, ClaimVerdict, check_claims, load_claims, regret_difference
from bench.results import fresh_store, known_methods
from datasets_registry import list_datasets

DATASETS = [f"d{i}" for i in range(9)]
DIFFICULTY = {"ViT-demo.drawn": {dataset: 0.01 * (i + 1) for i, dataset in enumerate(DATASETS)}}


def claim(**changes) -> Claim:
    values = {"id": "x", "sentence": "A beats B.", "source": "", "a": "apex", "b": "vpt", "protocol": "base-to-new"}
    return Claim.model_validate(values | {"measure": "base"} | changes)


def flat(**rates: float) -> dict[str, dict[str, dict[str, float]]]:
    """The same accuracy of each method on all datasets and splits."""
    return {method: {d: {"base": rate, "new": rate} for d in DATASETS} for method, rate in rates.items()}


def boards_of(folder: Path, rates: Mapping[str, Mapping[str, Mapping[str, float]]], **options) -> list[Leaderboard]:
    make_world(folder, rates, **options)
    return build_leaderboards(fresh_store(folder).runs_frame(outcomes=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def world(folder: Path) -> list[Leaderboard]:
    """APEX is ahead by 0.02 on the easiest dataset up to 0.18 on the hardest; CoOp equals VPT."""
    apex = {d: {"base": 0.62 + 0.02 * i, "new": 0.6} for i, d in enumerate(DATASETS)}
    return boards_of(folder, flat(vpt=0.6, coop=0.6) | {"apex": apex}, images=300)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, ClaimVerdict.SUPPORTED),
        ({"a": "vpt", "b": "apex"}, ClaimVerdict.NOT_SUPPORTED),
        ({"above": 0.3}, ClaimVerdict.NOT_SUPPORTED),
        ({"measure": "gap"}, ClaimVerdict.SUPPORTED),
        ({"measure": "H"}, ClaimVerdict.SUPPORTED),
        ({"contrast": "difference-of-groups"}, ClaimVerdict.SUPPORTED),
        ({"datasets": "hard", "above": 0.08}, ClaimVerdict.SUPPORTED),
        ({"datasets": "easy", "above": 0.08}, ClaimVerdict.NOT_SUPPORTED),
        ({"a": "vpt", "b": "coop", "above": -0.05}, ClaimVerdict.SUPPORTED),
    ],
)
def test_verdicts_follow_the_truth(world, changes, verdict):
    (found,) = check_claims([claim(**changes)], world, DIFFICULTY)
    assert found.verdict is verdict
    assert found.test.low < found.test.mean < found.test.high
    assert found.reason == ""


def test_datasets_are_the_thirds_by_difficulty_or_those_that_are_named(world):
    chosen = [claim(datasets="easy"), claim(datasets="hard"), claim(only=["d0", "d1", "elsewhere"])]
    assert [found.datasets for found in check_claims(chosen, world, DIFFICULTY)] == [
        ("d0", "d1", "d2"),
        ("d6", "d7", "d8"),
        ("d0", "d1"),
    ]


RUN = "-m apex,vpt -d .* -b .* --protocol base-to-new --shots 16`"
"""Of the command that a reason names."""


@pytest.mark.parametrize(
    ("changes", "difficulty", "reason"),
    [
        ({"b": "maple"}, DIFFICULTY, "needs base-to-new runs of .*run -m apex,maple -d DATASETS -b ViT-demo.drawn"),
        ({"shots": 4}, DIFFICULTY, "--shots 4"),
        ({"datasets": "easy"}, {}, "least six datasets"),
        ({"only": ["elsewhere"]}, DIFFICULTY, "needs runs of both"),
        ({"contrast": "difference-of-groups"}, DIFFICULTY, RUN),
        ({"a": "nearest difficulty", "b": "best average", "contrast": "regret"}, {}, "needs complete base-to-new runs"),
    ],
)
def test_a_claim_without_its_runs_is_not_tested_and_names_them(world, changes, difficulty, reason: str):
    groups = chosen_groups(["d0"], ["elsewhere"]) if "contrast" in changes else difficulty_groups
    (found,) = check_claims([claim(**changes)], world, difficulty, groups)
    assert found.verdict is ClaimVerdict.NOT_TESTED
    assert re.search(reason, found.reason)


@pytest.mark.parametrize(
    ("seeds", "datasets", "reason"),
    [((1,), 2, "needs at least two seeds"), ((1, 2), 1, "needs at least two datasets")],
)
def test_one_seed_or_one_dataset_decides_nothing(tmp_path: Path, seeds, datasets: int, reason: str):
    rates = {method: {d: of[d] for d in DATASETS[:datasets]} for method, of in flat(apex=0.9, vpt=0.5).items()}
    (found,) = check_claims([claim()], boards_of(tmp_path, rates, seeds=seeds), {})
    assert found.verdict is ClaimVerdict.NOT_TESTED
    assert found.reason.startswith(reason)
    assert re.search(RUN, found.reason)
    (row,) = claims_table([found], Path("runs")).texts()
    assert row["verdict"] == "not tested"
    assert "effect" not in row["claim"]


def regret(**changes) -> Claim:
    values = {"a": "nearest difficulty", "b": "best average", "contrast": "regret", "measure": "base"}
    return claim(**(values | changes))


def test_difficulty_helps_to_choose_only_where_methods_cross_along_it(tmp_path: Path):
    """One method is best on the easy half and the other on the hard half."""
    coop = {d: {"base": 0.8 if i < 4 else 0.6, "new": 0.6} for i, d in enumerate(DATASETS)}
    rates = flat(zero_shot=0.5, vpt=0.7) | {"coop": coop}
    world = boards_of(tmp_path, rates, images=800, seed_spread=0.0)
    reverse = regret(a="best average", b="nearest difficulty")
    found, against = check_claims([regret(), reverse], world, DIFFICULTY)
    assert (found.verdict, against.verdict) == (ClaimVerdict.SUPPORTED, ClaimVerdict.NOT_SUPPORTED)
    assert found.test.mean == pytest.approx(0.1 * 5 / 9, abs=0.06)
    assert found.datasets == tuple(DATASETS)
    (found,) = check_claims(
        [regret()], boards_of(tmp_path / "one", flat(zero_shot=0.5, coop=0.8), images=60), DIFFICULTY
    )
    assert (found.verdict, found.test.mean) == (ClaimVerdict.NOT_TESTED, 0)
    assert "policies choose the same" in found.reason


def test_intervals_of_regret_hold_the_truth():
    """Two policies that are equally good: 95 % intervals contain 0 in at least 95 % of cases, up to two errors."""
    draw, inside, repetitions = np.random.default_rng(0), 0, 300
    for _ in range(repetitions):
        places = tuple(np.exp(draw.normal(size=11)))
        values = draw.normal(0.7, 0.05, size=(6, 11))
        known = Known(tuple("abcdef"), tuple(map(str, range(11))), values, places, (0.5,) * 11)
        test = regret_difference(known, Policy.NEAREST, Policy.AVERAGE)
        inside += test.low is None or test.low <= 0 <= test.high
    assert inside / repetitions >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / repetitions)


@pytest.mark.usefixtures("world")
def test_the_command_names_for_a_missing_claim_one_that_plans_its_runs(folder: Path, tmp_path: Path, etl):
    """Each printed command is whole: with its datasets, backbone, options and folder."""
    code, out, _ = etl("papers", "claims", "--runs", str(folder))
    assert code == 0
    commands = [shlex.split(line) for line in out.splitlines() if line.startswith("  etl-bench run ")]
    for words in commands:
        given = dict(zip(words[2::2], words[3::2], strict=True))
        assert {"-m", "-d", "-b", "--protocol", "--runs"} <= set(given)
        assert given["--runs"] == str(folder)
        wanted = ["spectrum_basic" if word == "DATASETS" else word for word in words[1:]]
        if given["-m"] != "all":
            code, _, problem = etl(*wanted, "--dry-run")
            assert code == 0, problem
    (tmp_path / "c.toml").write_text(claim_text())
    assert "supported" in etl("papers", "claims", "--runs", str(folder), "--file", str(tmp_path / "c.toml"))[1]
    answer = json.loads(etl("papers", "claims", "--runs", str(folder), "--json")[1])
    assert len(answer) == len(load_claims())
    assert {row["verdict"] for row in answer} <= set(map(str, ClaimVerdict))


def test_the_shipped_claims_are_the_papers():
    """They name registered methods and datasets."""
    shipped, datasets = load_claims(), {info.name for info in list_datasets()}
    observations = {found.id.split("-")[1] for found in shipped if found.id.startswith("observation")}
    assert observations == {"1", "2", "3", "4"}
    assert "headline" in [found.id for found in shipped]
    for found in shipped:
        assert set(found.only) <= datasets
        assert found.contrast == "regret" or {found.a, found.b} <= set(known_methods())


def claim_text(**changes) -> str:
    values = claim().model_dump(exclude_none=True) | changes
    return "[[claim]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[claim", "read as TOML"),
        ("other = 1", "'other' and is no file of claims"),
        (claim_text(measure="speed"), r"is invalid: measure: .*Fields: id, sentence"),
        (2 * claim_text(), "repeats the id x"),
        (claim_text(a="coop", b="best average", contrast="regret"), "policies: best average, nearest difficulty"),
    ],
)
def test_invalid_files(tmp_path: Path, text: str, problem: str):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=problem):
        load_claims(path)


def test_runs_of_the_demo_give_no_verdict_on_a_claim(tmp_path: Path):
    """The same runs support the claim with another recipe."""
    wanted, verdicts = [claim(), claim(contrast="difference-of-groups"), regret()], {}
    for name in ("demo", "published"):
        make_world(tmp_path / name, flat(zero_shot=0.4), images=50)
        trained = boards_of(tmp_path / name, flat(apex=0.9, vpt=0.5), images=50, recipe={"name": name, "lr": 0.002})
        verdicts[name] = check_claims(wanted, trained, DIFFICULTY)
    assert {found.verdict for found in verdicts["demo"]} == {ClaimVerdict.NOT_TESTED}
    assert {found.test for found in verdicts["demo"]} == {None}
    assert all(found.setting is not None and "demo" in found.reason for found in verdicts["demo"])
    assert verdicts["published"][0].verdict is ClaimVerdict.SUPPORTED
    rows = claims_table(verdicts["demo"], Path("runs")).texts()
    assert all("demo runs train too briefly" in row["claim"] for row in rows)


def test_synthetic_datasets_alone_give_no_verdict_on_a_claim_that_does_not_name_them(tmp_path: Path):
    drawn = ["spectrum_basic", "spectrum_words:test=5"]
    rates = {
        method: {name: {"base": rate, "new": rate} for name in drawn} for method, rate in (("apex", 0.8), ("vpt", 0.6))
    }
    found = check_claims([claim(), claim(only=drawn)], boards_of(tmp_path, rates, images=300), {})
    assert [result.verdict for result in found] == [ClaimVerdict.NOT_TESTED, ClaimVerdict.SUPPORTED]
    assert found[0].reason == "synthetic datasets cannot test a claim of a paper"
