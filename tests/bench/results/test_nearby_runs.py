"""Folders without runs: the message names those that have some, and no page is replaced by an empty one."""

from pathlib import Path

import pytest
from fake_runner import answered

from bench.errors import UsageError
from bench.results.shards import Shards, no_runs, runs_folders
from reports.site.build import PageRequest, write_page


def test_folders_inside_and_beside_are_named(tmp_path: Path) -> None:
    for name in ("runs/demo", "other", "empty"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("runs/demo", "other"):
        record, predictions = answered()
        Shards(tmp_path / name).write(record, predictions)
    assert runs_folders(tmp_path / "runs") == [tmp_path / "runs" / "demo"]
    assert runs_folders(tmp_path / "typo") == []
    both = f"--runs {tmp_path / 'runs' / 'demo'} or --runs {tmp_path / 'other'}."
    assert no_runs(tmp_path / "runs").endswith(both)
    assert f"nearby: give --runs {tmp_path / 'other'}." in no_runs(tmp_path / "typo")
    assert "runs with `etl-bench run`" in no_runs(tmp_path / "other" / "shards" / "nowhere")


@pytest.mark.parametrize("protocol", [None, "few-shot"])
def test_nothing_to_show_leaves_an_earlier_page(protocol, tmp_path: Path) -> None:
    if protocol:
        record, predictions = answered()
        Shards(tmp_path / "runs").write(record, predictions)
    page = tmp_path / "page.html"
    page.write_text("an earlier page")
    with pytest.raises(UsageError, match=r"has protocol few-shot\. No page" if protocol else "There are no runs in"):
        write_page(PageRequest(runs=tmp_path / "runs", out=page, protocol=protocol))
    assert page.read_text() == "an earlier page"
