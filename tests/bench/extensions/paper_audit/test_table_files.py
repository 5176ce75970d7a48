"""Tables of others: CSV, Markdown and LaTeX in their usual forms, and files that hold no table."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.extensions.paper_audit.printed import PrintedTable
from bench.extensions.paper_audit.table_files import LARGEST_TABLE, table_of_file

SLASHES = "Method,DTD,Pets,Avg.\nCoOp,79.44/41.18/54.24,93.67/95.29/94.47,86.56/68.24\nMine (ours),80/60,94/96,87/78\n"
SPLIT_COLUMN = """Method,Set,DTD,Pets,Avg
CoOp,Base,79.44,93.67,86.56
,New,41.18,95.29,68.24
,HM,54.24,94.47,
Mine (ours),Base,80,94,87
,New,60,96,78
"""
HEADINGS = """Method,DTD base,DTD new,DTD H,Pets base,Pets new,Pets H,Average base,Average new
CoOp,79.44,41.18,54.24,93.67,95.29,94.47,86.56,68.24
Mine (ours),80,60,,94,96,,87,78
"""
MARKDOWN = """| Method | Set | [DTD](https://x.org) | **Pets** | Avg |
|:--|:-:|--:|--:|--:|
| CoOp | base | 79.44 | 93.67 | 86.56 |
|  | novel | 41.18 | 95.29 | 68.24 |
|  | HM | 54.24 | 94.47 | |
| **Mine (ours)** | base | **80** | 94 | 87 |
|  | novel | **60** | 96 | 78 |
"""
LATEX = r"""
\begin{table}\centering
\begin{tabular}{@{}l|ccc|ccc|cc@{}} \toprule
 & \multicolumn{3}{c|}{\textbf{DTD}} & \multicolumn{3}{c|}{Pets} & \multicolumn{2}{c}{Avg.} \\ \cmidrule(lr){2-4}
Method & Base & Novel & HM & Base & Novel & HM & Base & Novel \\ \midrule % a comment & 1
CoOp~\cite{zhou} & 79.44 & 41.18 & 54.24 & 93.67 & 95.29 & 94.47 & 86.56 & 68.24 \\
\rowcolor{gray!10} \textbf{Mine (ours)} & \textbf{80} & $60_{\pm 0.3}$ & -- & 94 & 96 & -- & 87 & 78 \\ \bottomrule
\end{tabular}
\end{table}
"""
MEANS_OF_H = """Method,RESISC45 base,RESISC45 new,RESISC45 H,AID base,AID new,AID H,Avg base,Avg new,Avg H
CoOp,90,60,72,80,78,78.99,85,69,75.49
Mine,91,60,72.32,80,78,78.99,85.5,69,70
"""
FORMS = {"a.csv": SLASHES, "b.csv": SPLIT_COLUMN, "c.csv": HEADINGS, "d.md": MARKDOWN, "e.tex": LATEX, "f.txt": LATEX}


def read(place: Path, name: str, text: str, protocol: str | None = None) -> PrintedTable:
    path = place / name
    path.write_text(text, encoding="utf-8")
    return table_of_file(path, protocol, "ViT-B-16.openai", 16)


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_table(tmp_path: Path, name: str) -> None:
    table = read(tmp_path, name, FORMS[name])
    assert (table.protocol, table.datasets, table.unknown) == ("base-to-new", ("dtd", "oxford_pets"), ())
    coop, mine = table.rows
    assert (coop.method, mine.method, mine.label) == ("coop", "", "Mine (ours)")
    assert [coop.number(split, "dtd") for split in ("base", "new", "H")] == [79.44, 41.18, 54.24]
    assert (mine.number("new", "dtd"), mine.number("H", "dtd")) == (60.0, None)
    assert coop.cells["new"]["average"] == "68.24"
    assert table.means(coop)["base"] == pytest.approx((79.44 + 93.67) / 2)


def test_accuracies_are_few_shot_and_other_columns_are_left_out(tmp_path: Path) -> None:
    head, first = "Method,Venue,Year,Params (M),DTD,Birds,Avg", "CoOp,IJCV,2022,0.01,70.1,50.5 ± 0.3,60.3"
    table = read(tmp_path, "a.csv", f"{head}\n{first}\nX,arXiv,2026,120.5,71,51,61\n")
    assert (table.protocol, table.datasets, table.unknown) == ("few-shot", ("dtd",), ("Birds",))
    assert table.rows[0].number("all", "Birds") == 50.5
    assert [one for one in table.notes if "Params" in one]


GROUPS = {
    "a.csv": """Method,DTD,Pets,Gain
Prompts,,,
CoOp,70,90,-
Others,,,
Mine,71,91,+1.0
\u0394,+1.0,+1.0,
over CoOp,(+0.5),\u22120.5,
""",
    "b.csv": """Method,Set,DTD,Pets
Prompts,Prompts,Prompts,Prompts
CoOp,,,
,Base,70,90
,New,50,80
Others,,,
Mine,Base,71,91
,New,51,81
\u0394,Base,1,1
,New,1,1
""",
    "c.tex": r"""Method & DTD & Pets \\ \multicolumn{3}{l}{\textit{Prompts}} \\
CoOp & 70 & 90 \\ & \multicolumn{2}{c}{Others} \\
Mine & 71 & 91 \\ $\Delta$ & \textcolor{red}{-1.0} & 1.0 \\""",
}


@pytest.mark.parametrize("name", GROUPS)
def test_rows_of_groups_and_of_differences_are_left_out_and_named(tmp_path: Path, name: str) -> None:
    table = read(tmp_path, name, GROUPS[name])
    assert [row.label for row in table.rows] == ["CoOp", "Mine"]
    assert table.datasets == ("dtd", "oxford_pets")
    assert all(any(f"'{text}'" in note for note in table.notes) for text in ("Prompts", "Others", "\u0394"))
    assert not any("'CoOp'" in note for note in table.notes)


def test_the_source_of_a_transfer_is_not_averaged(tmp_path: Path) -> None:
    text = "Method\tSource\tDTD\tPets\tAverage\nCoOp\t71.51\t41.92\t89.14\t65.53\nMaPLe\t70.72\t46.49\t90.49\t68.49\n"
    table = read(tmp_path, "a.tsv", text, "cross-dataset")
    assert table.datasets == ("imagenet", "dtd", "oxford_pets")
    assert table.averaged == ("dtd", "oxford_pets")
    assert table.arithmetic() == (2, [])


def test_an_average_of_a_row_that_lacks_a_number_is_not_judged(tmp_path: Path) -> None:
    text = "Method,DTD,Pets,Birds,Avg\nCoOp,70,90,-,75\nMaPLe,70,-,80,80\nMine,72,92,70,75\n"
    checked, found = read(tmp_path, "a.csv", text).arithmetic()
    assert (checked, [label for label, _ in found]) == (1, ["Mine"])


def test_a_mean_of_h_is_over_the_columns_of_the_table(tmp_path: Path) -> None:
    checked, found = read(tmp_path, "a.csv", MEANS_OF_H).arithmetic()
    assert (checked, [(label, one.split) for label, one in found]) == (10, [("Mine", "H")])


def test_a_file_of_the_ledger_is_a_table_too(tmp_path: Path) -> None:
    head, facts = "reported_in,method,shots,paper,split,dtd,eurosat", "Mine,coop,16,2109.01134"
    table = read(tmp_path, "a.csv", f"{head}\n{facts},base,79.44,92.19\n{facts},new,41.18,54.74\n")
    assert [row.method for row in table.rows] == ["coop"]
    assert (table.datasets, table.unknown) == (("dtd", "eurosat"), ())


WRONG = {
    "": "no row of headings",
    "Method,DTD\n": "no row of headings",
    "Method,Birds\nCoOp,70\n": "no column is a dataset",
    "Dataset,CoOp,MaPLe\nDTD,70,71\nPets,90,91\n": "turn it around",
    "Method,DTD,Pets\nCoOp,70,171\n": "'171'",
    "Method,DTD,Pets\nCoOp,70,high\nX,71,90\n": "'high'",
    "Method,DTD\nCoOp,70\nCoOp,71\n": "two rows are of 'CoOp'",
    "Method,DTD,dtd\nCoOp,70,71\n": "two columns are of dtd",
    "Method,DTD\n,70\n": "no name of a method",
    "Method," + ",".join(f"d{i}" for i in range(300)) + "\nCoOp" + ",1" * 300: "200 columns",
    "Method,DTD\n" + "\n".join(f"m{i},50" for i in range(600)): "500 rows",
    "Method,DTD\n" + "m" * 300 + ",50\n": "200 characters",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_a_file_that_is_no_table_is_refused_with_the_reason(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as refused:
        read(tmp_path, "a.csv", text)
    assert WRONG[text] in str(refused.value)


@pytest.mark.parametrize(("protocol", "text"), [("few-shot", SLASHES), ("base-to-new", "Method,DTD\nCoOp,70\n")])
def test_a_protocol_that_the_numbers_are_not_of_is_refused(tmp_path: Path, protocol: str, text: str) -> None:
    with pytest.raises(UsageError, match=protocol):
        read(tmp_path, "a.csv", text, protocol)


def test_bytes_that_are_no_text_and_files_that_are_too_large_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    for content in (b"\xff\xfe\x00", b"a" * (LARGEST_TABLE + 1)):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="cannot be read"):
            table_of_file(path, None, "ViT-B-16.openai", 16)
    with pytest.raises(UsageError, match="cannot be read"):
        table_of_file(tmp_path, None, "ViT-B-16.openai", 16)


HOSTILE = {
    "braces.tex": "\\begin{tabular}" + "{" * 5000 + "a & 1 \\\\" * 100,
    "cites.tex": "\\cite{" * 20000 + " & 70 \\\\ x & 1",
    "spans.tex": "\\multicolumn{99}{c}{a} & " * 400 + "\\\\ x & 1 \\\\",
    "pipes.md": "|" * 100_000,
    "spaces.md": "| Method | DTD |\n| x" + " " * 10**6 + "y | 70 |\n",
    "escapes.csv": "Method,DTD\n\x1b[31mRed\x1b[0m,70\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_in_one_line_or_in_printable_text(tmp_path: Path, name: str) -> None:
    try:
        table = read(tmp_path, name, HOSTILE[name])
    except UsageError:
        return
    assert "\x1b" not in table.rows[0].label


def test_a_heading_that_names_the_only_dataset_is_no_group(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("Method,Accuracy\n,ImageNet\nCoOp,71.9\nTip-Adapter,70.0\n")
    found = table_of_file(tmp_path / "one.csv", None, "ViT-B-16.openai", 16)
    assert [row.label for row in found.rows] == ["CoOp", "Tip-Adapter"]
    assert found.datasets == ("imagenet",)
