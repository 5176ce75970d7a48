"""What a reader chooses stays with another setting and in the address; what has nothing to say is left out."""

from __future__ import annotations

import pytest
from report_sample import FIXTURES, runs_frame, sample_site

pytest.importorskip("websocket", reason="websocket-client is not installed")

from reports import render_site


@pytest.fixture(scope="module")
def runs():
    return runs_frame(shots=(4, 16))


@pytest.fixture(scope="module")
def view(runs):
    return sample_site(runs)


def opened(tab, runs, place):
    tab.size(1440, 900)
    tab.open(render_site(sample_site(runs), place / "index.html").as_uri())
    return tab


def test_an_open_fold_is_in_the_address_and_comes_back(page):
    fold = page.run("document.querySelector('#cost details').id")
    page.run(f"document.getElementById('{fold}').open = true")
    page.wait(f"location.hash.includes('open={fold}')")
    address = page.run("location.href")
    page.open("about:blank")
    page.open(address)
    assert page.run(f"document.getElementById('{fold}').open")


def test_one_run_has_no_section_without_content(tab, runs, tmp_path):
    page = opened(tab, FIXTURES["one run"](runs[runs["shots"].isin([0, 16])]), tmp_path)
    assert not {"Claims", "Head to head"} & set(page.texts(".sections a, h2, h3"))
    assert page.texts(".take") in ([], [""])


def test_a_demo_says_first_that_it_is_one(tab, runs, tmp_path):
    trained = runs["method"] != "zero_shot"
    demo = runs.assign(recipe_name=runs["recipe_name"].where(~trained, "demo"))
    page = opened(tab, demo, tmp_path)
    assert page.texts(".bar .facts")[0].startswith("Demo, short training: ")
