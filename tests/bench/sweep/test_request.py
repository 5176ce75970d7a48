"""A sweep request: texts of options, Python values and sweep files mean the same, and what they refuse is one line."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest
from one_case import for_each
from sweep_requests import changed, sweep_over

from bench.errors import UsageError
from bench.sweep import (
    LogStyle,
    RerunPolicy,
    SweepRequest,
    carry_out,
    expand,
    make_plan,
    open_log,
    parse_numbers,
    split_list,
)
from bench.sweep.options import override_texts
from bench.sweep.overrides import parse_overrides
from bench.sweep.sweep_files import SWEEPS, planned_run_ids, read_sweep_file, sweep_toml
from datasets_registry import EvalProtocol


def build(**values: object) -> SweepRequest:
    return SweepRequest.build(**{"methods": "coop", "datasets": "spectrum_basic"} | values)


# --- texts of options -------------------------------------------------------------------------------------------------


@for_each(
    ("texts", "wanted"),
    [
        (["a,b", "c"], ["a", "b", "c"]),
        ([" a , ,b,"], ["a", "b"]),
        (["dial:x=1,y=2,coop"], ["dial:x=1,y=2", "coop"]),
        (["dial:x=1,dial:x=2"], ["dial:x=1", "dial:x=2"]),
        (["ViT-B-32=w.pt,quickgelu,ViT-demo.drawn"], ["ViT-B-32=w.pt,quickgelu", "ViT-demo.drawn"]),
        (["ViT-B-32=a.pt,ViT-B-16=b.pt,gelu"], ["ViT-B-32=a.pt", "ViT-B-16=b.pt,gelu"]),
        (
            ["ViT-B-16=a.pt,gelu,preprocess=openai,ViT-tiny=b.pt,mean=0.1:0.2:0.3,std=1,RN50.openai"],
            ["ViT-B-16=a.pt,gelu,preprocess=openai", "ViT-tiny=b.pt,mean=0.1:0.2:0.3,std=1", "RN50.openai"],
        ),
    ],
)
def test_lists_are_split_at_commas_that_separate(texts: list[str], wanted: list[str]):
    assert split_list(texts) == wanted


@for_each(
    ("text", "wanted"),
    [("3", [1, 2, 3]), ("1,2,3", [1, 2, 3]), ("7,", [7]), ("0,", [0]), ("4-6", [4, 5, 6]), ("1,5-6", [1, 5, 6])],
)
def test_seeds(text: str, wanted: list[int]):
    assert parse_numbers(text, "--seeds", lone_is_count=True) == wanted


@for_each("text", ["", ",", "a", "1-", "-1", "1.5", "1,x"])
def test_what_is_no_list_of_numbers(text: str):
    with pytest.raises(UsageError, match="--shots .* is not a list"):
        parse_numbers(text, "--shots")


def test_texts_and_lists_mean_the_same():
    texts = {"methods": "coop,apex", "shots": "1,2", "seeds": "2", "protocol": "few-shot", "rerun": "all"}
    values = {"methods": ["coop", "apex"], "shots": [1, 2], "seeds": [1, 2], "protocol": EvalProtocol.FEW_SHOT}
    values |= {"rerun": RerunPolicy.ALL}
    assert build(overrides="coop.n_ctx=4", **texts) == build(overrides=["coop.n_ctx=4"], **values)
    assert build(shots=4, seeds=3) == build(shots=[4], seeds=[1, 2, 3])


@for_each(
    ("values", "message"),
    [
        ({"protocol": "zero"}, r"--protocol 'zero' is unknown\..* Allowed: few-shot, base-to-new"),
        ({"seeds": 0}, "--seeds '0' means no seed"),
        ({"shots": "x"}, "--shots 'x' is not a list"),
        ({"jobs": -1}, "--jobs -1: Input should be greater than or equal to 0"),
        ({"precision": "fp8"}, r"--precision 'fp8' is unknown\..* Allowed: fp32"),
        ({"draw": "nest"}, r"--draw 'nest' is unknown\. Did you mean 'nested'\?"),
        ({"n_shots": 3}, "'n_shots' is not an option"),
    ],
)
def test_a_wrong_value_is_one_line(values: dict, message: str):
    with pytest.raises(UsageError, match=message):
        build(**values)


# --- several values of a setting --------------------------------------------------------------------------------------

AXES = sweep_over(["coop"], ["spectrum_basic"], ["ViT-tiny.random"], shots=[2], seeds=[1])


def grow(**changes):
    """Expand the axes with changes; specs only."""
    return expand(changed(AXES, **changes)).specs


def test_each_value_is_one_run_and_several_lists_give_their_product():
    specs = grow(overrides=["coop.n_ctx=4,8,16", "coop.ctx_init=", "coop.recipe.epochs=2,3"], seeds=[1, 2])
    found = [(spec.config["n_ctx"], spec.recipe["epochs"], spec.seed) for spec in specs]
    assert sorted(found) == sorted(itertools.product((4, 8, 16), (2, 3), (1, 2)))
    assert len({spec.run_id for spec in specs}) == 12


def test_an_exact_name_wins_over_the_list_of_a_pattern():
    specs = grow(methods=["coop", "clip_adapter"], overrides=["*.recipe.epochs=2,3", "coop.recipe.epochs=5"])
    found = [(spec.method, spec.recipe["epochs"]) for spec in specs]
    assert found == [("coop", 5), ("clip_adapter", 2), ("clip_adapter", 3)]


@for_each(
    ("text", "found"),
    [
        ("4,8, 16", [4, 8, 16]),
        ("a photo of a", ["a photo of a"]),
        ('"a, b"', ["a, b"]),
        ('"a, b", c', ["a, b", "c"]),
        ("[5, 4]", [[5, 4]]),
        ("[5,4],[9,4]", [[5, 4], [9, 4]]),
        ('{"1": 2, "3": 4}', [{"1": 2, "3": 4}]),
        ("true,false", [True, False]),
        ("1,1.0,true", [1, 1.0, True]),
        ("4x,8", ["4x", 8]),
        ('"a" b', ['"a" b']),
        ("", [""]),
    ],
)
def test_commas_separate_values_and_json_keeps_them(text: str, found: list[object]):
    (item,) = parse_overrides([f"coop.key={text}"])
    assert list(item.values) == found
    assert [type(one) for one in item.values] == [type(one) for one in found]


@for_each(
    ("text", "message"),
    [
        ("coop.n_ctx=4,,8", "remove the comma"),
        ("coop.n_ctx=4,", "an empty value"),
        ("coop.n_ctx=4,8,4", "same value twice"),
        ("coop.n_ctx=4,many", r"--set 'coop.n_ctx=4,many': n_ctx='many': Input should be a valid integer"),
        ("coop.n_ctx=4,0", r"n_ctx=0: Input should be greater than or equal to 1"),
        ("coop.recipe.crop_scale=0.1,1", r"crop_scale=0.1: .*; write \[A, B\] for one value that is a list"),
    ],
)
def test_a_wrong_value_in_a_list_names_the_setting_and_the_value(text: str, message: str):
    with pytest.raises(UsageError, match=message):
        grow(overrides=[text])


def test_a_value_that_cannot_run_leaves_the_others():
    expansion = expand(changed(AXES, methods=["vpt"], overrides=["vpt.depth=1,2,50"]))
    assert [spec.config["depth"] for spec in expansion.specs] == [1, 2]
    assert [item.what for item in expansion.left_out if item.named] == ["vpt [depth=50] on ViT-tiny.random"]


def test_the_limit_of_a_sweep_counts_the_product_before_it_is_made():
    numbers = ",".join(str(number) for number in range(1, 600))
    with pytest.raises(UsageError, match=r"358,801 runs \(358801 variants, 1 dataset"):
        grow(overrides=[f"coop.n_ctx={numbers}", f"coop.recipe.epochs={numbers}"])


def test_python_and_toml_give_lists_as_the_command_line_does(tmp_path: Path):
    typed = ["coop.n_ctx=4,8", "tip_adapter.search_step=[5, 4]", 'coop.ctx_init="a, b"']
    given = {"coop.n_ctx": [4, 8], "tip_adapter.search_step": (5, 4), "coop.ctx_init": ["a, b"]}
    assert override_texts(given) == typed
    path = tmp_path / "sweep.toml"
    path.write_text(
        'methods = ["coop"]\ndatasets = ["spectrum_basic"]\n[set]\ncoop.n_ctx = [4, 8]\n'
        '"tip_adapter.search_step" = [[5, 4]]\ncoop.ctx_init = ["a, b"]\n',
        encoding="utf-8",
    )
    request = read(path)
    assert sorted(request.overrides) == sorted(typed)
    path.write_text(sweep_toml(request), encoding="utf-8")
    assert read(path) == request


# --- sweep files ------------------------------------------------------------------------------------------------------


def read(path: Path, **given: object) -> SweepRequest:
    return SweepRequest.build(**read_sweep_file(path) | given)


def test_a_sweep_file_gives_the_request_back(tmp_path: Path):
    request = build(seeds=2, overrides=["coop.ctx_init='a photo of a'"], data_root=tmp_path / "ü", allow_fewer=True)
    path = tmp_path / "sweep.toml"
    path.write_text(sweep_toml(request), encoding="utf-8")
    assert read(path) == request
    assert read(path, seeds=[7]).seeds == [7]


def test_a_sweep_file_has_the_shots_and_the_seeds_to_change_also_at_their_defaults():
    written = tomllib.loads(sweep_toml(build(shots=16, seeds=3)))
    assert (written["shots"], written["seeds"]) == ([16], [1, 2, 3])
    assert sweep_toml(build(shots=16, seeds=3)) == sweep_toml(build()), "the same sweep is kept once"


@for_each(
    ("text", "message"),
    [
        ("methods = [", "is not TOML: invalid value"),
        ("shots = [1]\nsome words", "is not TOML: line 2, 'some words': expected '='"),
        ('method = "coop"', "sets the unknown option 'method'. Did you mean 'methods'"),
        ('methods = "coop"', "Missing option --datasets"),
        ('methods = 3\ndatasets = "a"', "--methods 3"),
        ("qqq = 1", "unknown option 'qqq'.*methods, datasets"),
        (None, "sweep.toml cannot be read"),
    ],
)
def test_a_bad_sweep_file_is_one_line(text: str | None, message: str, tmp_path: Path):
    path = tmp_path / "sweep.toml"
    path.unlink(missing_ok=True)
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read(path)


def test_a_sweep_is_kept_with_its_runs_and_can_be_repeated_from_there(tmp_path: Path):
    request = build(seeds=2, shots=1, runs=tmp_path, runner="fake_runner", jobs=0)
    log = open_log(LogStyle.PLAIN)
    made = make_plan(request, log)
    assert carry_out(made, log).exit_code == 0
    (kept,) = (tmp_path / SWEEPS).glob("*.toml")
    assert planned_run_ids(kept) == [spec.run_id for spec in made.specs]
    again = read(kept)
    assert again == request
    assert make_plan(again, log).pending == ()


@for_each("text", ["[plan", "a = " + "[" * 100_000], ids=len)
def test_a_damaged_plan_is_one_line(text: str, tmp_path: Path):
    path = tmp_path / "kept.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match="kept.toml, cannot be read"):
        planned_run_ids(path)
