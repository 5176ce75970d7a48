"""Names beside marks, moved apart so that none overlaps another one or a mark."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

LETTER, LINE_HEIGHT = 7.0, 15
"""Width of a bold letter of 12 px, and height of a line of text, in px."""
BESIDE, ABOVE = 10, 4
"""Distance of a name from the centre of its mark, and of its base line from its middle, in px."""
NAME_LENGTH = 24
"""Most letters of a name that are shown."""
NEAR = 10
"""The first places of a name, up to two lines above or below its mark."""
STEPS = 16
"""How many lines a name may be moved up or down."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


@dataclass(frozen=True)
class Label:
    """A name: its base line starts (`anchor` start) or ends (end) at x, y. `line` leads to a mark that is not near."""

    text: str
    x: float
    y: float
    anchor: str
    line: str = ""


def place_names(
    marks: Mapping[str, tuple[float, float]],
    names: Mapping[str, str],
    ends: Box,
    *,
    left: bool = True,
    lines: Sequence[Box] = (),
) -> dict[str, Label]:
    """The names of marks by key, within `ends` and apart from `lines`.

    A name stands right of its mark or, if it may, `left` of it, or above or below this place, as near as there is
    room. Near its mark it rather crosses a line than stands far away. If there is no room, it stands right of its mark.

    Example:
        >>> found = place_names({"a": (50, 50), "b": (50, 52)}, {"a": "CoOp", "b": "VPT"}, (0, 0, 200, 100))
        >>> [(label.x, label.y, label.anchor) for label in found.values()]
        [(60, 54.0, 'start'), (40, 56.0, 'end')]
    """
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in marks.values()]
    labels = {}
    for key, (x, y) in sorted(marks.items(), key=lambda item: item[1][1]):
        places = list(_places(x, y, LETTER * min(len(names[key]), NAME_LENGTH)))
        allowed = places if left else places[::2]
        free = [spot for spot in allowed if _within(spot[0], ends) and not any(_meet(spot[0], box) for box in taken)]
        preferred = sorted(free, key=lambda spot: (spot in places[NEAR:], any(_meet(spot[0], line) for line in lines)))
        box, anchor, is_far = next(iter(preferred), places[0])
        taken.append(box)
        start, middle = box[0] if anchor == "start" else box[2], (box[1] + box[3]) / 2
        line = f"M{x:g},{y:g}L{start:g},{middle:g}" if is_far else ""
        labels[key] = Label(names[key], round(start, 1), round(middle + ABOVE, 1), anchor, line)
    return labels


def _places(x: float, y: float, width: float) -> Iterator[tuple[Box, str, bool]]:
    """Boxes of a name from the nearest, whether they start or end at the mark, and whether they are far from it."""
    for step in range(STEPS):
        for sign in (1, -1) if step else (1,):
            middle = y - sign * step * LINE_HEIGHT
            top, bottom = middle - LINE_HEIGHT / 2, middle + LINE_HEIGHT / 2
            yield (x + BESIDE, top, x + BESIDE + width, bottom), "start", step > 0
            yield (x - BESIDE - width, top, x - BESIDE, bottom), "end", step > 0


def _within(box: Box, ends: Box) -> bool:
    return box[0] >= ends[0] and box[1] >= ends[1] and box[2] <= ends[2] and box[3] <= ends[3]


def _meet(first: Box, second: Box) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]
