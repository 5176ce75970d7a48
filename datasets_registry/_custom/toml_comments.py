"""Comments that a user wrote into a TOML file, and that stay when the file is written again."""

import re
from collections import defaultdict
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}.*?'{3}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|(?P<comment>\#[^\n]*)""", re.DOTALL
)
"""A text of one or more lines, or a comment."""
_SECTION = re.compile(r"\s*\[([\w-]+)\]")
_SETTING = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([\w-]+))\s*=""")


def with_comments(text: str, former: str) -> str:
    r"""A TOML text with the comments of a former one, above the settings that they were above or behind.

    Comments after the last setting, or whose setting is gone, are at the end.

    Example:
        >>> print(with_comments("a = 2\nb = '#'", "a = 1  # one\n# two\nb = '#'\n# end"))
        # one
        a = 2
        # two
        b = '#'
        # end
    """
    comments: defaultdict[str, list[str]] = defaultdict(list)
    own = {comment for _, comment in _comments(text)}
    for setting, comment in _comments(former):
        if comment not in own:
            comments[setting].append(comment)
    lines: list[str] = []
    for setting, line in zip(_settings(text), text.split("\n"), strict=True):
        lines += [*(comments.pop(setting, ()) if setting else ()), line]
    left = [comment for several in comments.values() for comment in several]
    return "\n".join(lines).rstrip("\n") + "".join(f"\n{comment}" for comment in left) + text[len(text.rstrip("\n")) :]


def _comments(text: str) -> Iterator[tuple[str, str]]:
    """Each comment with the setting of its line, else the next one; empty if there is none."""
    settings, row, end = list(_settings(text)), 0, 0
    for token in _TOKEN.finditer(text):
        row += text.count("\n", end, token.start())
        if token["comment"]:
            yield next((setting for setting in settings[row:] if setting), ""), token[0].rstrip()
        row, end = row + token[0].count("\n"), token.end()


def _settings(text: str) -> Iterator[str]:
    """The section or setting that begins in each line; empty where none does."""
    section = ""
    for line in _TOKEN.sub(_without_lines, text).split("\n"):
        if found := _SECTION.match(line):
            section = found[1]
            yield f".{section}"
        else:
            setting = _SETTING.match(line)
            yield f"{section}.{setting[1] or setting[2] or setting[3]}" if setting else ""


def _without_lines(token: re.Match[str]) -> str:
    """A text of one line as it is; the line breaks alone of a longer one, and nothing of a comment."""
    breaks = "\n" * token[0].count("\n")
    return breaks if breaks or token["comment"] else token[0]
