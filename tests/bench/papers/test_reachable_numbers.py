"""Numbers of the ledger that a run can meet: names of methods, ensembles of texts, and recipes."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from fake_runner import make_spec

from bench.papers import conditions_of_spec, meets, published_frame, published_methods, reach, run_for, system_of
from bench.papers.published_numbers import rows_of, select
from bench.results import known_methods
from methods import METHODS

PAGE = Path(__file__).parents[3] / "docs" / "numbers-without-address.md"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    published = published_frame()
    return published.assign(why=reach(published), system=published["method"].map(system_of))


def test_most_numbers_can_be_met(frame: pd.DataFrame) -> None:
    assert (frame["why"] == "").sum() >= 6689


def test_every_name_is_a_method_or_described(frame: pd.DataFrame) -> None:
    """A wrapped method has the name that `run -m` takes."""
    for name in set(frame["method"]) - set(published_methods()):
        assert known_methods().get(name).name == name
    titles = {known_methods().get(name).title for name in ("dept", "dept_on:coop", "atprompt_on:coop", "dpc_on:coop")}
    assert titles & {one.title for one in published_methods().values()} == set()


def test_a_method_whose_paper_is_in_the_ledger_meets_it_or_is_listed(frame: pd.DataFrame) -> None:
    printed_in = set(re.findall(r"\d{4}\.\d{4,5}|(?<=openreview )\w+", " ".join(frame["reported_in"].unique())))
    papers = {paper.removeprefix("openreview:") for paper in {*frame["paper"], *printed_in}}
    met = set(frame.loc[frame["why"] == "", "system"])
    own = {facts.name for facts in known_methods().infos() if facts.paper.removeprefix("openreview:") in papers}
    wrappers = {name for name in METHODS.wrappers if known_methods().get(f"{name}:coop").paper in papers}
    assert len(own) > 35
    assert len(wrappers) > 3
    lacking = {name for name in own if name not in met and not any(one.startswith(f"{name}:") for one in met)}
    lacking |= {name for name in wrappers if name not in met and not any(one.startswith(f"{name}:") for one in met)}
    section = PAGE.read_text(encoding="utf-8").partition("## Methods that meet no number")[2]
    assert lacking == set(re.findall(r"^\| `(\w+)` \| \S", section, re.MULTILINE))


@pytest.mark.parametrize("name", ["dept_on:kgcoop", "dept", "atprompt_on", "atprompt_on:coop", "dpc_on:coop"])
def test_both_names_of_a_method_have_its_numbers(frame: pd.DataFrame, name: str) -> None:
    other = system_of(name)
    found, same = select(frame, methods=[name]), select(frame, methods=[other])
    assert len(found) == len(same) > 30
    number = rows_of(found[found["why"] == ""])[0]
    run = run_for(number)
    assert meets(number, replace(run, method=name))
    assert meets(number, replace(run, method=other))


def zero_shot(frame: pd.DataFrame, variant: str) -> dict[str, object]:
    rows = frame[(frame["method"] == "zero_shot") & (frame["variant"] == variant)]
    rows = rows[(rows["dataset"] == "imagenet") & (rows["backbone"] == "ViT-B-16.openai")]
    rows = rows[rows["protocol"] == "zero-shot"]
    return rows_of(rows)[0]


def test_an_ensemble_of_texts_is_a_condition_of_zero_shot(frame: pd.DataFrame) -> None:
    plain, any_list, all80 = (zero_shot(frame, variant) for variant in ("", "text ensemble", "80 ImageNet texts"))
    one = run_for(plain)
    by_list = {
        name: replace(one, config={**one.config, "ensemble": name, "own_template": False})
        for name in ("select7", "imagenet80")
    }
    runs = [one, *by_list.values()]
    assert [[meets(number, run) for run in runs] for number in (plain, any_list, all80)] == [
        [True, False, False],
        [False, True, True],
        [False, False, True],
    ]


def test_a_list_as_class_text_is_the_same_ensemble(frame: pd.DataFrame) -> None:
    spec = make_spec(method="zero_shot", shots=0, backbone="ViT-B-16.openai", dataset="imagenet", recipe=None)
    spec = spec.model_copy(update={"protocol": "few-shot", "config": run_for(zero_shot(frame, "")).config})
    given = spec.model_copy(update={"class_text": "ensemble:imagenet80"})
    runs = [conditions_of_spec(one) for one in (spec, given)]
    assert [meets(zero_shot(frame, ""), run) for run in runs] == [True, False]
    assert [meets(zero_shot(frame, "80 ImageNet texts"), run) for run in runs] == [False, True]


def test_a_recipe_of_one_backbone_is_of_its_runs_only(frame: pd.DataFrame) -> None:
    rows = frame[(frame["recipe"] == "biomedcoop-coop") & (frame["shots"] == 16)]
    run = run_for(rows_of(rows)[0])
    assert "biomedcoop-coop" in run.recipes
    assert "biomedcoop-coop" not in replace(run, backbone="ViT-B-16.openai").recipes


def test_a_published_recipe_can_be_the_one_of_another_paper(frame: pd.DataFrame) -> None:
    """CoOp's own recipe has 100 epochs for four shots, as BiomedCoOp's has for any number."""
    rows = frame[(frame["recipe"] == "biomedcoop-coop") & (frame["shots"] == 4)]
    assert run_for(rows_of(rows)[0]).recipes == {"published", "biomedcoop-coop"}
