"""Whether the numbers of a printed table follow from one another: H from base and new, averages from cells. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from bench.analysis import HConvention, metrics
from bench.papers.printed_averages import AVERAGE, number_of, recomputed

CONVENTIONS = {HConvention.H_OF_MEANS: "H of the averages", HConvention.MEAN_OF_H: "mean of the datasets' H"}
_Cells = Mapping[str, str]
_Rule = Callable[[_Cells], float]
"""What the last of some cells should be by the others."""


@dataclass(frozen=True)
class Mismatch:
    """A printed number that does not follow from the others of its row.

    Args:
        dataset: its column, or `average`.
        expected: what the others give, by what it is.
        misprint: the number with which all agree if two neighbouring digits are exchanged; empty if there is none, or
            several.
    """

    split: str
    dataset: str
    printed: str
    expected: Mapping[str, float]
    misprint: str

    @property
    def text(self) -> str:
        """The mismatch as part of a sentence."""
        given = ", ".join(f"{what} {value:.2f}" for what, value in self.expected.items())
        swapped = f"; all agree if {self.misprint}" if self.misprint else ""
        return f"{self.dataset} is printed as {self.printed}, and the rest of its row gives {given}{swapped}"


def mismatches(splits: Mapping[str, _Cells], names: Sequence[str], over: Mapping[str, Sequence[str]]) -> list[Mismatch]:
    """The mismatches of one method: of H on each dataset, and of its averages.

    Args:
        splits: the printed texts by dataset, of `base`, `new` and `H` or of one other split.
        names: the datasets.
        over: those that the printed average of a split covers; an average of which a cell is missing is not checked.

    Example:
        >>> row = {"base": {"dtd": "80.00"}, "new": {"dtd": "60.00"}, "H": {"dtd": "86.57"}}
        >>> [one.text for one in mismatches(row, ["dtd"], {})]
        ['dtd is printed as 86.57, and the rest of its row gives a harmonic mean of 68.57; all agree if H dtd is 68.57']
    """
    return [*_of_h(splits, names), *_of_averages(splits, over), *_of_average_h(splits, over)]


def checked_numbers(splits: Mapping[str, _Cells], names: Sequence[str], over: Mapping[str, Sequence[str]]) -> int:
    """How many numbers `mismatches` compares with others."""
    datasets = sum(all(splits.get(split, {}).get(name) for split in ("base", "new", "H")) for name in names)
    averages = sum(_complete(splits[split], given) for split, given in over.items() if split != "H")
    return datasets + averages + bool(_expected_h(splits, over))


def _of_h(splits: Mapping[str, _Cells], names: Sequence[str]) -> Iterator[Mismatch]:
    for name in names:
        cells = {f"{split} {name}": splits.get(split, {}).get(name, "") for split in ("base", "new", "H")}
        if all(cells.values()):
            yield from _compared("H", name, cells, "a harmonic mean of", _harmonic)


def _of_averages(splits: Mapping[str, _Cells], over: Mapping[str, Sequence[str]]) -> Iterator[Mismatch]:
    for split, given in over.items():
        if split != "H" and _complete(splits[split], given):
            cells = {f"{split} {name}": splits[split][name] for name in (*given, AVERAGE)}
            yield from _compared(split, AVERAGE, cells, "a mean of", _mean_of_others)


def _of_average_h(splits: Mapping[str, _Cells], over: Mapping[str, Sequence[str]]) -> Iterator[Mismatch]:
    expected = _expected_h(splits, over)
    if expected and not any(agrees([splits["H"][AVERAGE]], value) for value in expected.values()):
        yield Mismatch("H", AVERAGE, splits["H"][AVERAGE], expected, "")


def _expected_h(splits: Mapping[str, _Cells], over: Mapping[str, Sequence[str]]) -> Mapping[str, float]:
    """The printed average H by each convention; empty if it is not printed, or some but not all H of its datasets."""
    cells, given = splits.get("H", {}), over.get("H", ())
    if not cells.get(AVERAGE) or len({bool(cells.get(name)) for name in given}) > 1:
        return {}
    return {CONVENTIONS[one]: value for one, value in recomputed(splits, given).items()}


def _complete(cells: _Cells, given: Sequence[str]) -> bool:
    return bool(given) and all(cells.get(name) for name in (*given, AVERAGE))


def _harmonic(cells: _Cells) -> float:
    base, new, _ = (number_of(text) or 0.0 for text in cells.values())
    return metrics.harmonic_mean(base, new)


def _mean_of_others(cells: _Cells) -> float:
    return fmean(number_of(text) or 0.0 for text in list(cells.values())[:-1])


def _compared(split: str, dataset: str, cells: _Cells, what: str, rule: _Rule) -> Iterator[Mismatch]:
    """The mismatch of the last cell, if the others do not give it by the rule."""
    key = list(cells)[-1]

    def follows(changed: _Cells) -> bool:
        return agrees([changed[key], *cells.values()], rule(changed))

    if not follows(cells):
        found = [
            f"{name} is {swapped}"
            for name, text in cells.items()
            for swapped in exchanged_digits(text)
            if follows({**cells, name: swapped})
        ]
        yield Mismatch(split, dataset, cells[key], {what: rule(cells)}, found[0] if len(found) == 1 else "")


def agrees(texts: Sequence[str], expected: float) -> bool:
    """Whether the first number is the expected one, as exactly as these numbers are printed.

    Example:
        >>> agrees(["70.01"], 70.0), agrees(["70.1"], 70.0), agrees(["70.10"], 70.0)
        (True, True, False)
    """
    numbers = [text.partition("±")[0] for text in texts]
    digits = min(len(text.partition(".")[2]) for text in numbers)
    return abs(float(numbers[0]) - expected) <= 1.1 * 0.1**digits


def exchanged_digits(text: str) -> list[str]:
    """A printed number with each two neighbouring digits exchanged.

    Example:
        >>> exchanged_digits("41.4")
        ['14.4', '44.1']
    """
    number = text.partition("±")[0]
    places = [place for place, letter in enumerate(number) if letter.isdecimal()]
    found = []
    for first, second in pairwise(places):
        letters = list(number)
        letters[first], letters[second] = letters[second], letters[first]
        found.append("".join(letters))
    return [one for one in dict.fromkeys(found) if one != number and float(one) <= 100]
