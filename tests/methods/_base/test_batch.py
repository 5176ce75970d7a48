"""Labels of a batch as numbers: those that the caller knows, else those of the tensor, and none at evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from methods import Batch, UndeclaredNeedError


def batch(labels: Tensor | None, numbers: Sequence[int] | None = None) -> Batch:
    empty = torch.zeros(0)
    return Batch(labels, label_numbers=numbers, features=lambda: empty, pixels=lambda: empty, needs=frozenset())


@pytest.mark.parametrize("numbers", [None, (2, 0, 2)])
def test_labels_are_numbers_whether_the_caller_knows_them_or_not(numbers: Sequence[int] | None) -> None:
    assert batch(torch.tensor([2, 0, 2]), numbers).label_numbers == [2, 0, 2]


def test_there_are_no_label_numbers_at_evaluation() -> None:
    with pytest.raises(UndeclaredNeedError, match="methods must not see"):
        _ = batch(None, [1]).label_numbers
