"""Which numbers of the ledger stand on a board of published numbers."""

from dataclasses import replace

from bench.papers import (
    PrintedNumber,
    PublishedBoard,
    boards_of_tables,
    numbers_by_table,
    published_difficulty,
    registered,
)
from bench.papers.published_numbers import numbers_of, published_frame

METHODS = ("coop", "cocoop", "maple", "kgcoop", "prograd")


def numbers(protocol: str, split: str, *datasets: str, methods: tuple[str, ...] = METHODS) -> list[PrintedNumber]:
    """A number of each method on each dataset."""
    number = numbers_of(published_frame().iloc[:1])[0]
    number = replace(number, protocol=protocol, split=split, backbone="RN50.openai", shots=16, note="")
    return [replace(number, method=method, dataset=name, value=0.01 * (place + 50))
            for place, method in enumerate(methods) for name in datasets]  # fmt: skip


def board_of(shown: list[PrintedNumber]) -> PublishedBoard:
    (board,) = boards_of_tables(shown, published_difficulty(), registered())
    return board


def test_a_dataset_that_few_rows_have_is_not_on_the_board() -> None:
    """It would make most rows incomplete; a row without any other dataset is left out with it."""
    common = numbers("few-shot", "all", "dtd", "eurosat")
    rare = numbers("few-shot", "all", "ucf101", methods=("maple",))
    board = board_of(common + rare)
    assert board.datasets == ("dtd", "eurosat")
    assert [row.method for row in board.rows] == ["prograd", "kgcoop", "maple", "cocoop", "coop"]
    assert all(row.complete for row in board.rows)
    assert board.baseline is None
    untrained = numbers("few-shot", "all", "dtd", "eurosat", methods=("zero_shot",))
    untrained = [replace(number, shots=0) for number in untrained]
    assert board_of(common + untrained).baseline is not None, "zero-shot rows are on each board"
    often = numbers("few-shot", "all", "ucf101", methods=METHODS[:2])
    assert board_of(common + often).datasets == ("dtd", "eurosat", "ucf101")


def test_a_transfer_board_has_the_targets_without_the_source() -> None:
    board = board_of(
        [*numbers("cross-dataset", "all", "imagenet"), *numbers("cross-dataset", "target", "dtd", "eurosat")]
    )
    assert board.datasets == ("dtd", "eurosat")


def test_equal_rows_of_several_tables_are_one_row_with_all_their_sources() -> None:
    printed = numbers("few-shot", "all", "dtd", "eurosat")
    copied = [replace(number, source_table="Table 99") for number in printed if number.method == "coop"]
    board = board_of(printed + copied)
    assert {row.method: len(row.sources) for row in board.rows} == dict.fromkeys(METHODS, 1) | {"coop": 2}
    assert {len(of_table) for of_table in numbers_by_table(printed + copied).values()} == {len(printed), len(copied)}


def test_of_as_many_tables_the_one_that_did_not_train_the_method_again_stands_for_it() -> None:
    printed = numbers("few-shot", "all", "dtd", "eurosat")
    again = [
        replace(number, reported_in="A paper", value=0.99, standing="rerun")
        for number in printed
        if number.method == "coop"
    ]
    (row,) = (row for row in board_of(printed + again).one_per_title if row.method == "coop")
    assert row.averages["all"] == 0.5
    assert not row.rerun
