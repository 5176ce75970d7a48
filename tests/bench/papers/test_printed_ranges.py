import numpy as np
import pandas as pd
import pytest

from bench.papers.printed_ranges import LiteratureSpread, literature_spread, spread_sentence
from bench.papers.published_numbers import published_frame


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return published_frame()


def test_ranges_are_those_of_a_direct_computation(frame: pd.DataFrame) -> None:
    here = frame[
        (frame["metric"] == "accuracy")
        & (frame["variant"] == "")
        & (frame["protocol"] == "base-to-new")
        & (frame["backbone"] == "ViT-B-16.openai")
        & (frame["shots"] == 16)
        & ~frame["dataset"].isin(["easy", "challenge"])
    ]
    groups = here.groupby(["method", "dataset", "split"])["value"].agg(["nunique", "min", "max"])
    groups = groups[groups["nunique"] > 1]
    wanted = {key: row["max"] - row["min"] for key, row in groups.iterrows()}
    found = literature_spread(frame)
    assert {(c.method, c.dataset, c.split): c.range for c in found.cells} == pytest.approx(wanted)
    assert len(found.cells) == 374
    new = found.ranges("new")
    assert [round(100 * value, 1) for value in (*np.quantile(new, [0.5, 0.9]), new[-1])] == [1.4, 7.1, 18.4]


def test_every_printed_average_has_its_sources_and_recipe(frame: pd.DataFrame) -> None:
    found = literature_spread(frame)
    averages = found.averages["maple", "new"]
    assert [average.value for average in averages] == sorted(average.value for average in averages)
    assert all(average.sources for average in averages)
    adadelta = next(one for one in averages if any("Table 2 (Adadelta" in source for source in one.sources))
    assert (adadelta.standing, adadelta.recipe, adadelta.printed) == ("rerun", "apex", True)
    assert found.average_range("ivlp", "new") == pytest.approx(0.0236)
    assert found.methods("new")[0] == max(found.methods("new"), key=lambda name: found.average_range(name, "new"))


def test_the_sentence_has_the_numbers_and_is_empty_without_any() -> None:
    assert spread_sentence(LiteratureSpread((), {})) == ""
    rows = [
        {"method": "coop", "variant": "", "label": "", "protocol": "base-to-new", "backbone": "ViT-B-16.openai",
         "shots": 16, "dataset": "dtd", "split": "new", "metric": "accuracy", "value": value, "standing": "unknown",
         "recipe": "", "reported_in": str(value), "source_table": ""}
        for value in (0.4, 0.42, 0.5)
    ]  # fmt: skip
    found = literature_spread(pd.DataFrame(rows))
    assert [(cell.low, cell.high, cell.numbers) for cell in found.cells] == [(0.4, 0.5, 3)]
    assert "the largest 10.0" in spread_sentence(found)
