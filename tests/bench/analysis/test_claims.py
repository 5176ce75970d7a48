import json
from pathlib import Path

import pytest
from worlds import make_world

from bench.analysis.claims import Claim, ClaimVerdict, check_claims, load_claims
from bench.analysis.difficulty_groups import chosen_groups
from bench.analysis.leaderboard import leaderboard, settings
from bench.errors import UsageError
from bench.store import fresh_store

DATASETS = [f"d{i}" for i in range(9)]
DIFFICULTY = {"ViT-demo.drawn": {dataset: 0.01 * (i + 1) for i, dataset in enumerate(DATASETS)}}


def claim(**changes) -> Claim:
    values = {"id": "x", "sentence": "A beats B.", "source": "", "a": "apex", "b": "vpt", "protocol": "base-to-new"}
    return Claim.model_validate(values | {"measure": "base"} | changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """APEX is ahead by 0.02 on the easiest dataset up to 0.18 on the hardest; CoOp equals VPT."""
    folder = tmp_path_factory.mktemp("runs")
    rates = {
        "vpt": {d: {"base": 0.6, "new": 0.6} for d in DATASETS},
        "coop": {d: {"base": 0.6, "new": 0.6} for d in DATASETS},
        "apex": {d: {"base": 0.62 + 0.02 * i, "new": 0.6} for i, d in enumerate(DATASETS)},
    }
    make_world(folder, rates, images=300)
    return folder


@pytest.fixture(scope="module")
def world(folder: Path):
    runs = fresh_store(folder).runs_frame(outcomes=True)
    return [leaderboard(runs, setting) for setting in settings(runs)], runs


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, ClaimVerdict.SUPPORTED),
        ({"a": "vpt", "b": "apex"}, ClaimVerdict.REFUTED),
        ({"above": 0.3}, ClaimVerdict.REFUTED),
        ({"measure": "gap"}, ClaimVerdict.SUPPORTED),
        ({"measure": "H"}, ClaimVerdict.SUPPORTED),
        ({"contrast": "difference-of-groups"}, ClaimVerdict.SUPPORTED),
        ({"datasets": "hard", "above": 0.08}, ClaimVerdict.SUPPORTED),
        ({"datasets": "easy", "above": 0.08}, ClaimVerdict.REFUTED),
        ({"a": "vpt", "b": "coop", "above": -0.05}, ClaimVerdict.SUPPORTED),
    ],
)
def test_verdicts_follow_the_truth(world, changes, verdict):
    (found,) = check_claims([claim(**changes)], *world, DIFFICULTY)
    assert found.verdict is verdict
    assert found.test.low < found.test.mean < found.test.high
    assert found.reason == ""


def test_groups_are_thirds_by_difficulty(world):
    (easy,) = check_claims([claim(datasets="easy")], *world, DIFFICULTY)
    (hard,) = check_claims([claim(datasets="hard")], *world, DIFFICULTY)
    assert (easy.datasets, hard.datasets) == (("d0", "d1", "d2"), ("d6", "d7", "d8"))


def test_the_reason_names_what_is_missing(world):
    (no_board,) = check_claims([claim(b="maple")], *world, DIFFICULTY)
    assert no_board.reason.startswith("needs base-to-new runs of apex and maple, with one setting each: `etl-bench run")
    assert "etl-bench run -m apex,maple --protocol base-to-new" in no_board.reason
    (no_groups,) = check_claims([claim(datasets="easy")], *world, {})
    assert "difficulties of at least six datasets" in no_groups.reason
    assert {no_board.verdict, no_groups.verdict} == {ClaimVerdict.NOT_TESTED}


def test_a_named_group_without_runs_is_not_tested(world):
    groups = chosen_groups(["d0"], ["elsewhere"])
    (found,) = check_claims([claim(contrast="difference-of-groups")], *world, DIFFICULTY, groups)
    assert found.verdict is ClaimVerdict.NOT_TESTED
    assert found.reason == (
        "needs common runs on the easy and the hard datasets: "
        "`etl-bench run -m apex,vpt --protocol base-to-new --shots 16`"
    )


@pytest.mark.parametrize(
    ("seeds", "datasets", "reason"),
    [((1,), "de", "needs at least two seeds"), ((1, 2), "d", "needs at least two datasets")],
)
def test_one_seed_or_one_dataset_decides_nothing(tmp_path: Path, seeds, datasets, reason):
    rates = {"apex": 0.9, "vpt": 0.5}
    make_world(tmp_path, {m: {d: {"base": r, "new": r} for d in datasets} for m, r in rates.items()}, seeds=seeds)
    runs = fresh_store(tmp_path).runs_frame(outcomes=True)
    (found,) = check_claims([claim()], [leaderboard(runs, settings(runs)[0])], runs, {})
    assert found.verdict is ClaimVerdict.NOT_TESTED
    assert found.reason.startswith(reason)
    assert "`etl-bench run -m apex,vpt --protocol base-to-new --shots 16` with more" in found.reason


def test_the_shipped_claims_are_the_papers():
    ids = [found.id for found in load_claims()]
    assert {name.split("-")[1] for name in ids if name.startswith("observation")} == {"1", "2", "3", "4"}
    assert "headline" in ids


def test_invalid_files(tmp_path: Path):
    path = tmp_path / "c.toml"
    path.write_text("[[claim")
    with pytest.raises(UsageError, match="cannot be read as TOML"):
        load_claims(path)
    path.write_text('[[claim]]\nid = "a"\nmeasure = "speed"')
    with pytest.raises(UsageError, match=r"is invalid.*Fields: id, sentence"):
        load_claims(path)
    path.write_text("\n".join(f"[[claim]]\n{_toml()}" for _ in range(2)))
    with pytest.raises(UsageError, match="repeats the id x"):
        load_claims(path)


def _toml() -> str:
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in claim().model_dump(exclude_none=True).items())


def test_the_command(folder: Path, tmp_path: Path, etl):
    (tmp_path / "c.toml").write_text(f"[[claim]]\n{_toml()}")

    def claims(*arguments: str) -> str:
        code, out, _ = etl("claims", "--runs", str(folder), *arguments)
        assert code == 0
        return out

    assert "supported" in claims("--file", str(tmp_path / "c.toml"))
    answer = json.loads(claims("--json"))
    assert len(answer) == len(load_claims())
    assert {row["verdict"] for row in answer} <= {"supported", "refuted", "inconclusive", "not tested"}
