"""Texts of numbers: counts with their nouns."""

import re


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "run"), counted(3, "run"), counted(2, "class"), counted(0, "difficulty")
        ('1 run', '3 runs', '2 classes', '0 difficulties')
    """
    if number != 1:
        noun = noun[:-1] + "ies" if re.search(r"[^aeiou]y$", noun) else noun + ("es" if noun.endswith("s") else "s")
    return f"{number} {noun}"
