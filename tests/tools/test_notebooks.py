"""The notebooks of the documentation run in an empty folder and show what is stored in them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from places import ROOT

from tools import notebooks, site_hooks


def notebook(*sources: str) -> dict:
    cells = [{"cell_type": "code", "source": [source], "outputs": [], "execution_count": None} for source in sources]
    return {"cells": cells, "metadata": {}}


def executed(*sources: str) -> dict:
    made = notebook(*sources)
    return notebooks.store(made, notebooks.execute(made))


@pytest.mark.slow  # the tests below run cells and compare their outputs
def test_every_notebook_runs_and_shows_what_is_stored(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ETL_BENCH_", "XDG_"))}
    environment |= {"HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tools.notebooks", "--check"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{ran.stdout}{ran.stderr}\nIf the change is right, run `{notebooks.COMMAND}`."


@pytest.mark.parametrize("path", notebooks.notebook_files(), ids=lambda path: path.stem)
def test_a_notebook_is_small_and_names_no_folder_of_a_machine(path: Path) -> None:
    assert path.stat().st_size < 300_000
    stored = json.loads(path.read_text(encoding="utf-8"))
    shown = json.dumps([cell["outputs"] for cell in notebooks.code_cells(stored)])
    assert re.findall(r"/(?:home|root|tmp|Users|work)/| at 0x[0-9a-f]+", shown) == []
    ids = [cell["id"] for cell in stored["cells"]]
    assert len(set(ids)) == len(ids)


def test_there_is_one_notebook_for_each_kind_of_reader() -> None:
    assert [path.stem for path in notebooks.notebook_files()] == ["add-a-method", "compare-methods", "own-images"]


@pytest.mark.usefixtures("_folder")
def test_cells_share_names_and_the_last_expression_is_shown() -> None:
    made = executed("a = 2\nprint('printed')\na + 1", "display(a)\nprint('after')", "None")
    outputs = [cell["outputs"] for cell in made["cells"]]
    assert outputs[0][0]["text"] == ["printed\n"]
    assert outputs[0][1]["data"] == {"text/plain": ["3"]}
    assert [output["output_type"] for output in outputs[1]] == ["display_data", "stream"]
    assert outputs[2] == []


@pytest.mark.usefixtures("_folder")
def test_a_file_that_a_cell_writes_can_be_imported_and_a_cell_that_fails_is_named_with_its_error() -> None:
    made = executed("%%writefile written_by_a_cell.py\nVALUE = 7", "import written_by_a_cell as w\nw.VALUE")
    assert made["cells"][1]["outputs"][0]["data"]["text/plain"] == ["7"]
    with pytest.raises(notebooks.CellFailedError, match="cell 2 raised ZeroDivisionError: division"):
        notebooks.execute(notebook("a = 0", "1 / a"))


def test_tables_and_pictures_are_stored_as_jupyter_stores_them() -> None:
    table = notebooks.shown(pd.DataFrame({"a": [1]}), "execute_result")["data"]
    assert "".join(table["text/html"]).startswith("<div>")
    picture = notebooks.shown(Image.new("RGB", (2, 2)), "execute_result")["data"]
    assert picture["image/png"].startswith("iVBOR")
    assert picture["text/plain"] == ["an image, Image"]


@pytest.mark.usefixtures("_folder")
def test_another_number_is_reported_on_the_same_kind_of_machine_only() -> None:
    made = executed("0.5", "'same'")
    now = notebooks.execute(notebook("0.25", "'same'"))
    assert notebooks.differences(made, now) == ["cell 1:", "--- stored", "+++ now", "@@ -2 +2 @@", "-0.5", "+0.25"]
    made["metadata"]["made_on"] = "another machine"
    assert notebooks.differences(made, now) == []
    assert notebooks.differences(made, notebooks.execute(notebook("print(0.5)", "'same'")))[0] == "cell 1:"


def test_the_command_writes_outputs_and_reports_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ETL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    file = tmp_path / "one.ipynb"
    file.write_text(json.dumps(notebook("import os\nlen(os.listdir())")), encoding="utf-8")
    assert notebooks.main([str(file)]) == 0
    assert notebooks.main(["--check", str(file)]) == 0
    file.write_text(file.read_text(encoding="utf-8").replace('"0"', '"5"'), encoding="utf-8")
    assert notebooks.main(["--check", str(file)]) == 1
    assert "one.ipynb:\ncell 1:\n" in capsys.readouterr().out
    file.write_text(json.dumps(notebook("1 / 0")), encoding="utf-8")
    assert notebooks.main([str(file)]) == 1
    assert "one.ipynb, cell 1 raised ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.usefixtures("_folder")
def test_the_page_of_a_notebook_shows_text_tables_and_pictures() -> None:
    made = executed(
        "print('a')", "import pandas as pd\npd.DataFrame({'x': [1]})", "from PIL import Image\nImage.new('L', (1, 1))"
    )
    made["cells"].insert(0, {"cell_type": "markdown", "source": ["# Title\n", "text"]})
    page = site_hooks.as_markdown(made)
    assert page.startswith("#")
    assert '<div class="notebook-output">\n<div>' in page
    assert 'alt="an image, Image" src="data:image/png;base64,' in page


@pytest.fixture
def _folder() -> object:
    with notebooks.empty_folder() as folder:
        yield folder


def test_the_site_has_the_report_of_published_numbers():
    page = site_hooks.published_report()
    assert 'class="headline"' in page
    assert "measured by this project" in page
