"""The list of messages, from code that is small enough to read."""

import ast
from pathlib import Path

from tools.messages import file_messages, messages_page

CODE = """
def f(name, found):
    remark(f"{name} is stale" + ", so it runs again")
    if found:
        raise UsageError(f"No method {name!r}; {', '.join(found)} are known.")
    raise StopIteration
    raise KeyError("word")


RULES = (Rule("no pool", lambda of: of.pool is None, "it needs {of.name}."),)
"""


def test_values_are_names_or_an_ellipsis() -> None:
    assert sorted(file_messages(ast.parse(CODE))) == [
        ("Rule", "it needs {of.name}."),
        ("UsageError", "No method {name}; {…} are known."),
        ("remark", "{name} is stale, so it runs again"),
    ]


def test_the_page_lists_each_file_with_messages(tmp_path: Path) -> None:
    for name, text in (("bench/a.py", CODE), ("methods/b.py", "x = 1\n")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    page = messages_page(tmp_path)
    assert "## `bench/a.py`" in page
    assert "methods/b.py" not in page
