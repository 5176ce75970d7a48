import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import quote

import pandas as pd
import pytest
from page_data import block_of, drawn_of, everything_of, evidence_of
from report_sample import BACKBONE, catalogue, difficulty_frame, runs_frame, sample_site

from bench.papers.catalogue import Catalogue, DatasetFacts, MethodSheet
from reports import render_site
from reports.parts.leaderboard import badges, note_text
from reports.presenters.content import PageContent
from reports.presenters.site import site_view
from reports.render import json_island

EVIL = "</script><script>alert('x')</script><b onmouseover=alert(1)>\"'&\u2028" + "x" * 300


@pytest.fixture(scope="module")
def view():
    runs = runs_frame()
    return sample_site(runs)


@pytest.fixture(scope="module")
def page(view, tmp_path_factory):
    return render_site(view, tmp_path_factory.mktemp("site") / "deep" / "index.html").read_text(encoding="utf-8")


class Tags(HTMLParser):
    """All start tags with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))


def test_nothing_is_loaded_from_elsewhere_and_nothing_needs_eval(page):
    tags = Tags(page).tags
    assert not [tag for tag, attributes in tags if "src" in attributes or tag in ("link", "iframe", "img", "object")]
    assert all(a["href"].startswith(("#", "https://example.org/")) for tag, a in tags if tag == "a")
    assert "default-src 'none'" in page
    assert "@import" not in page
    assert "unsafe-eval" not in re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert not re.search(r"\beval\(|new Function\(", page)


def test_a_row_with_recomputed_runs_does_not_say_that_nothing_was_verified(view):
    entry = replace(view.boards[0].board.entries[0], imported="3 of 4 runs")
    board = view.boards[0]
    assert [text for _, text, _ in badges(entry, board)] == ["imported, not verified"]
    mark = ["repeated", "repeated here: 1 of 4, bit-identical", "Drawn at random"]
    assert badges(entry, replace(board, marks={entry.key: [mark]})) == [mark]
    assert badges(entry, replace(board, unmarked="A row without a mark.")) == []


def test_what_a_row_without_a_mark_is_stands_beside_both_tables(view, page, tmp_path):
    boards = tuple(replace(board, unmarked="Rows: as <submitted>.") for board in view.boards)
    shown = render_site(replace(view, boards=boards, public=True), tmp_path / "public.html").read_text()
    assert '<p class="small-print" id="unmarked">Rows: as &lt;submitted&gt;.</p>' in shown
    assert "Rows: as &lt;submitted&gt;." in str(note_text(boards[0], view.overviews[0]))
    assert 'id="unmarked"' not in page, "a page of one's own runs has no marks"


def test_only_what_was_repeated_is_green_on_a_public_page(view, tmp_path):
    """Other green marks have the colour of text there."""
    public = render_site(replace(view, public=True), tmp_path / "public.html").read_text()
    assert '<body class="public">' in public
    assert "body.public { --good: var(--ink); }" in public
    assert ".label.repeated { color: var(--repeated); }" in public
    assert public.count("var(--repeated)") == 1


def test_the_data_has_the_first_digits_of_the_runs_of_every_accuracy(view, page):
    block = block_of(page)
    assert block["first"] == max(view.overviews, key=lambda overview: overview.n_runs).anchor
    for overview in view.overviews:
        data = block["settings"][overview.anchor]
        for m, method in enumerate(overview.table.methods):
            assert data["methods"][m]["key"] == method.key
            for d, dataset in enumerate(overview.table.datasets):
                runs = overview.table.array.runs(method.key, dataset)
                assert data["runs"][m][d] == [run and run[:6] for run in runs]
    runs = {run for data in block["settings"].values() for row in data["runs"] for ids in row for run in ids if run}
    assert runs == {run[:6] for board in view.boards for entry in board.board.entries for run in entry.run_ids}


def test_every_number_of_a_table_is_in_the_data(view, page):
    """A setting that is not in the HTML has the same tables as the first one."""
    block = block_of(page)
    for board in view.boards:
        tables = dict(tables_in(evidence_of(page, board.anchor)["folds"]))
        rows = tables[f"{board.anchor}-table"]["rows"]
        averages = [board.board.average(entry.key, board.board.measures[-1]) for entry in board.board.entries]
        assert [row[1] for row in rows] == list(range(len(board.board.entries)))
        assert [row[2][0] for row in rows] == [f"{100 * value.mean:.2f}" for value in averages]
    other = next(board for board in view.boards if board.anchor != block["first"])
    assert f'id="{other.anchor}-table"' not in page


def tables_in(value):
    """All tables of a JSON value by their id."""
    if isinstance(value, list) and value[:1] == ["table"]:
        yield value[1]["id"], value[1]
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from tables_in(item)


def test_what_is_copied_is_packed_as_export_writes_it(view, page):
    for board in view.boards:
        assert evidence_of(page, board.anchor)["exports"].items() >= dict(board.exports).items()


def test_ids_are_unique_and_links_have_targets(view, page):
    tags = Tags(page).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {a["href"][1:] for tag, a in tags if tag == "a" and a["href"].startswith("#")}
    assert {link for link in links if "=" not in link} <= set(ids)
    overview = next(one for one in view.overviews if one.anchor == block_of(page)["first"])
    targets = [f"method={quote(key, safe='')}" for key in overview.names]
    targets += [f"dataset={name}" for name in overview.table.datasets]
    scripted = {link for link in links if "=" in link and not link.startswith("view=difficulty&A=")}
    assert scripted == set(targets)


def test_the_convention_of_h_and_a_missing_seed_are_visible(page):
    assert "CoCoOp on ImageNet (seed 3)." in page
    assert "2 of 8 methods have missing" in page
    assert "Tried to allocate 2.31 GiB (1)." in page
    drawn = everything_of(page)
    assert "Column H: <b>mean of the datasets’ H</b>." in drawn
    assert re.search(r'\["80\.\d\d", null, "[^"]*", "key gap"\]', drawn)
    assert '["32/33"' in drawn
    assert "CUDA out of memory" in drawn


def test_a_complete_page_has_no_banner(tmp_path):
    runs = runs_frame()
    runs = runs[~runs["method"].isin(["cocoop", "maple"])]
    text = render_site(sample_site(runs), tmp_path / "a.html").read_text()
    assert 'class="banner"' not in text
    assert not re.search(r'class="[^"]*\bgap\b', text)


def test_names_and_messages_from_outside_stay_text(tmp_path):
    runs = runs_frame(protocols=("base-to-new",))
    runs.loc[runs["status"] == "failed", "error_message"] = EVIL
    runs["backbone"] = EVIL
    runs.loc[runs["method"] == "vpt", "method"] = EVIL
    difficulty = difficulty_frame().assign(backbone=EVIL)
    runs, difficulty = (frame.replace({"dataset": {"eurosat": EVIL}}) for frame in (runs, difficulty))
    names = Catalogue(
        methods={"coop": MethodSheet("coop", EVIL, EVIL, EVIL, EVIL)},
        datasets={"dtd": DatasetFacts("dtd", EVIL, EVIL, EVIL, EVIL, f"javascript:{EVIL}")},
    )
    text = render_site(
        site_view(PageContent(runs, difficulty, names, package_version=EVIL)), tmp_path / "a.html"
    ).read_text("utf-8")
    tags = Tags(text).tags
    assert not [attributes for _, attributes in tags if "onmouseover" in attributes]
    assert "alert('x')</script>" not in text
    assert "<b onmouseover" not in text
    assert "&lt;b onmouseover=alert(1)&gt;&#34;&#39;&amp;" in text
    assert not [a for tag, a in tags if tag == "a" and a["href"].lower().startswith("javascript")]
    plain = render_site(
        sample_site(runs_frame(protocols=("base-to-new",))),
        tmp_path / "b.html",
    ).read_text("utf-8")
    assert sum(tag == "script" for tag, _ in tags) == sum(tag == "script" for tag, _ in Tags(plain).tags)


def test_a_dataset_states_the_published_overlap_with_the_pretraining_data_of_its_backbone(tmp_path):
    runs = runs_frame(protocols=("base-to-new",))
    runs = pd.concat([runs, runs.assign(backbone="ViT-tiny.random", run_id=runs["run_id"] + "r")], ignore_index=True)
    text = render_site(sample_site(runs), tmp_path / "a.html").read_text("utf-8")
    block = block_of(text)
    settings = {setting["facets"][0]: setting for setting in block["settings"].values()}
    (stated,) = (dataset["overlap"] for dataset in settings[BACKBONE]["datasets"] if dataset["name"] == "dtd")
    ((name, sentence),) = block["details"][stated]
    assert name == "Overlap with pretraining"
    assert "the median is 2.2 %" in sentence
    assert not any("overlap" in dataset for dataset in settings["ViT-tiny.random"]["datasets"])


def test_json_islands_cannot_end_their_element():
    island = str(json_island([EVIL]))
    assert not set("<>&\u2028") & set(island)
    assert json.loads(island) == [EVIL]


def test_a_method_names_its_paper_and_code_and_the_settings_that_differ(tmp_path):
    """Of a method that is installed; nothing is said of one that is not."""
    facts = catalogue()
    coop = replace(facts.methods["coop"], paper="2109.01134", code="KaiyangZhou/CoOp")
    runs = runs_frame(protocols=("base-to-new",))
    runs["method"] = runs["method"].replace({"vpt": "mine"})
    runs["config"] = runs["config"].mask(runs["method"] == "coop", '{"n_ctx": 4, "class_position": "end"}')
    content = PageContent(runs, difficulty_frame(), replace(facts, methods=facts.methods | {"coop": coop}), "0")
    block = block_of(render_site(site_view(content), tmp_path / "a.html").read_text("utf-8"))
    links = [["Paper", "https://arxiv.org/abs/2109.01134"], ["Code", "https://github.com/KaiyangZhou/CoOp"]]
    assert block["methods"]["coop"][2] == links
    assert block["methods"]["mine"][2] == []
    (setting,) = block["settings"].values()
    settings = {method["method"]: block["details"][method["settings"]] for method in setting["methods"]}
    changed = {method: {name for name, _, differs in rows if differs} for method, rows in settings.items()}
    assert "config.n_ctx" in changed["coop"]
    assert "config.class_position" not in changed["coop"]
    assert not changed["mine"]
    assert len(settings["mine"]) > 2


def test_runs_that_are_not_counted_are_listed(tmp_path):
    runs = runs_frame(protocols=("base-to-new",))
    first = runs[(runs["method"] == "coop") & (runs["dataset"] == "dtd") & (runs["seed"] == 1)].index
    runs.loc[first, "task_fingerprint"] = "f" * 32
    runs.loc[first, "created_at"] -= runs["created_at"].max() - runs["created_at"].min()
    text = render_site(sample_site(runs), tmp_path / "a.html").read_text()
    assert "made on other images" in drawn_of(text)


def test_an_oracle_says_what_test_labels_added(tmp_path):
    runs = runs_frame(protocols=("base-to-new",))
    chosen = runs["method"] == "tip_adapter"
    runs.loc[chosen, "selected_on_test"] = "beta=2"
    runs.loc[chosen, "optimism"] = 0.0125
    view = sample_site(runs)
    text = render_site(view, tmp_path / "a.html").read_text()
    assert "test labels; +1.25 base, +1.25 new" in text
    assert "neither ranked nor compared" in everything_of(text)
    entry = next(entry for entry in view.boards[0].board.entries if entry.method == "tip_adapter")
    assert entry.key not in view.boards[0].verdict.ranks
