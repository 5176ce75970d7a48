"""Texts of options become values, or one clear line."""

from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.sweep import parse_numbers, split_list


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["a,b", "c"], ["a", "b", "c"]),
        ([" a , ,b,"], ["a", "b"]),
        (["dial:x=1,y=2,coop"], ["dial:x=1,y=2", "coop"]),
        (["dial:x=1,dial:x=2"], ["dial:x=1", "dial:x=2"]),
        (["ViT-B-32=w.pt,quickgelu,ViT-demo.drawn"], ["ViT-B-32=w.pt,quickgelu", "ViT-demo.drawn"]),
        (["ViT-B-32=a.pt,ViT-B-16=b.pt,gelu"], ["ViT-B-32=a.pt", "ViT-B-16=b.pt,gelu"]),
        (
            ["ViT-B-16=a.pt,gelu,preprocess=openai,ViT-tiny=b.pt,mean=0.1:0.2:0.3,std=1,RN50.openai"],
            ["ViT-B-16=a.pt,gelu,preprocess=openai", "ViT-tiny=b.pt,mean=0.1:0.2:0.3,std=1", "RN50.openai"],
        ),
    ],
)
def test_lists_are_split_at_commas_that_separate(texts: list[str], wanted: list[str]):
    assert split_list(texts) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("3", [1, 2, 3]), ("1,2,3", [1, 2, 3]), ("7,", [7]), ("0,", [0]), ("4-6", [4, 5, 6]), ("1,5-6", [1, 5, 6])],
)
def test_seeds(text: str, wanted: list[int]):
    assert parse_numbers(text, "--seeds", lone_is_count=True) == wanted


@pytest.mark.parametrize("text", ["", ",", "a", "1-", "-1", "1.5", "1,x"])
def test_what_is_no_list_of_numbers(text: str):
    with pytest.raises(UsageError, match="--shots .* is not a list"):
        parse_numbers(text, "--shots")
