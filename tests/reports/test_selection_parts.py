"""What each selection rule costs, on the page: a table, its fold by method, or the command that adds runs."""

import pandas as pd
import pytest
from page_data import block_of, evidence_of
from report_sample import catalogue, difficulty_frame, runs_frame

from reports import render_site
from reports.presenters.content import PageContent
from reports.presenters.site import site_view

LOST = 0.02
"""What the last epoch loses on average: 0.01 with seed 1, 0.02 with seed 2, 0.03 with seed 3."""


def with_validation(runs: pd.DataFrame, methods: tuple[str, ...]) -> pd.DataFrame:
    """The runs, and each of these methods once more with a selected epoch and higher accuracies."""
    chosen = runs[runs["method"].isin(methods)].copy()
    chosen["run_id"] += "-v"
    chosen["epoch_selection"] = "validation"
    chosen["accuracy"] += LOST + 0.01 * (chosen["seed"] - 2)
    return pd.concat([runs, chosen], ignore_index=True)


def written(runs: pd.DataFrame, folder) -> tuple[list, dict]:
    """The parts of the section, and the content of its folds."""
    site = site_view(PageContent(runs, difficulty_frame(), catalogue(), package_version="0"))
    page = render_site(site, folder / "index.html").read_text("utf-8")
    (setting,) = block_of(page)["settings"].values()
    return setting["sections"]["head_to_head"], evidence_of(page, setting["anchor"])["folds"]


@pytest.fixture(scope="module")
def runs():
    return runs_frame(protocols=("base-to-new",))


def rules_of(parts):
    return next(part[1] for part in parts if part[0] == "table" and part[1]["id"].endswith("-selection-table"))


def test_the_table_has_the_difference_of_every_measure_and_the_pairs(runs, tmp_path):
    parts, folds = written(with_validation(runs, ("coop", "vpt")), tmp_path)
    table = rules_of(parts)
    assert [column[0] for column in table["columns"]] == ["Rule", "H", "Base", "New", "Pairs"]
    n_datasets = runs["dataset"].nunique()
    ((rule, _, base, new, pairs),) = table["rows"]
    assert rule[:2] == ["Last epoch", "last, 2 methods"]
    assert int(pairs) == 2 * 3 * n_datasets
    for value, ends, tip in (base, new):
        assert (float(value.replace("−", "-")), tip) == (pytest.approx(-100 * LOST), f"{pairs} pairs")
        low, high = (float(end.replace("−", "-")) for end in ends.split(" to "))
        assert low < -100 * LOST < high
    (fold,) = (content for anchor, content in folds.items() if anchor.endswith("-selection-methods"))
    assert [row[0] for row in fold[0][1]["rows"]] == ["CoOp", "VPT"]


def test_methods_without_a_common_seed_have_no_mean(runs, tmp_path):
    both = with_validation(runs, ("coop", "vpt"))
    chosen = both["epoch_selection"].notna()
    parts, folds = written(both[~chosen | ((both["seed"] == 3) == (both["method"] == "vpt"))], tmp_path)
    assert rules_of(parts)["rows"][0][1:] == [None, None, None, "0"]
    (fold,) = (content for anchor, content in folds.items() if anchor.endswith("-selection-methods"))
    assert all(cost is not None for _, cost in fold[0][1]["rows"])


def test_without_pairs_there_is_no_part(runs, tmp_path):
    parts, _ = written(runs, tmp_path)
    assert not any(str(part[1]).endswith("-selection") for part in parts)


def test_the_oracle_is_named_and_grey(runs, tmp_path):
    oracle = with_validation(runs, ("coop",))
    chosen = oracle["epoch_selection"].notna()
    third = oracle[chosen].assign(run_id=oracle["run_id"] + "-o", epoch_selection="oracle", selected_on_test="epoch=5")
    parts, _ = written(pd.concat([oracle, third], ignore_index=True), tmp_path)
    table = rules_of(parts)
    assert [row[0][0] for row in table["rows"]] == ["Last epoch", "Oracle: test labels"]
    assert "reads test labels" in table["caption"]
    assert table["rows"][1][1][-1] == "faint"
