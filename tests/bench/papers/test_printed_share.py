"""The share of a paper's cells that is printed, as it is counted and as it is stored."""

import pytest

from bench.papers import printed_cells, read_paper, shipped_cells


@pytest.mark.parametrize(
    ("paper", "cells", "printed", "own"),
    [("taskres", 66, 0, True), ("mmrl", 27, 11, True), ("clip-adapter", 55, 55, True), ("biomedcoop", 556, 0, False)],
)
def test_printed_cells_are_of_the_papers_own_method(paper: str, cells: int, printed: int, own: bool) -> None:
    found = printed_cells(read_paper(paper))
    assert (found.cells, found.printed, found.own) == (cells, printed, own)
    assert found.text.startswith(f"{printed} of {cells} cells")
    assert (found.averages > 40) == (paper == "biomedcoop")
    assert shipped_cells()[paper] == found


def test_the_list_of_papers_says_them(etl) -> None:
    assert "0 of 66 cells printed" in etl("papers", "list")[1]
    assert "0 of 66 cells printed" in etl("papers", "reproduce", "taskres")[2]
