"""Several values of a setting: one run for each, on the command line, in sweep files and in Python."""

import itertools
from pathlib import Path

import pytest
from one_case import for_each
from sweep_requests import changed, sweep_over

from bench.errors import UsageError
from bench.sweep import SweepRequest, expand, read_sweep_file, sweep_toml
from bench.sweep.options import override_texts
from bench.sweep.overrides import parse_overrides

AXES = sweep_over(["coop"], ["spectrum_basic"], ["ViT-tiny.random"], shots=[2], seeds=[1])


def grow(**changes):
    """Expand the axes with changes; specs only."""
    return expand(changed(AXES, **changes)).specs


def values(text: str) -> list[object]:
    (item,) = parse_overrides([f"coop.key={text}"])
    return list(item.values)


def test_each_value_is_one_run_and_several_lists_give_their_product():
    specs = grow(overrides=["coop.n_ctx=4,8,16", "coop.recipe.epochs=2,3"], seeds=[1, 2])
    found = [(spec.config["n_ctx"], spec.recipe["epochs"], spec.seed) for spec in specs]
    assert sorted(found) == sorted(itertools.product((4, 8, 16), (2, 3), (1, 2)))
    assert len({spec.run_id for spec in specs}) == 12


def test_an_exact_name_wins_over_the_list_of_a_pattern():
    specs = grow(methods=["coop", "clip_adapter"], overrides=["*.recipe.epochs=2,3", "coop.recipe.epochs=5"])
    assert [(spec.method, spec.recipe["epochs"]) for spec in specs] == [
        ("coop", 5), ("clip_adapter", 2), ("clip_adapter", 3),
    ]  # fmt: skip


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
    assert values(text) == found
    assert [type(one) for one in values(text)] == [type(one) for one in found]


@pytest.mark.parametrize(
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
    request = SweepRequest.build(**read_sweep_file(path))
    assert sorted(request.overrides) == sorted(typed)
    path.write_text(sweep_toml(request), encoding="utf-8")
    assert SweepRequest.build(**read_sweep_file(path)) == request
