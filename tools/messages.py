"""The messages of the source code as one page, so that a change of wording is reviewed as one diff.

Listed are the texts of raised errors, remarks on standard error, log warnings and findings of `datasets check`. A value
in a message is written as its name in braces, or as an ellipsis if it is computed. Tests assert the class of an error
and what happens; the wording is reviewed here.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("bench", "methods", "datasets_registry", "reports")
CALLS = ("remark", "warning", "Finding")
INTRO = """
Every message of the source code, by file. A value is written as its name in braces, or as an ellipsis if it
is computed. Errors have the name
of their class; `remark` is a line on standard error, `warning` a line of the log, and `Finding` a line of
`etl-bench datasets check`. A `Rule` gives why a sweep, or a combination of it, is refused.
"""


def message_text(node: ast.expr) -> str | None:
    """The text of an expression, with values in braces; None if it is no text.

    Example:
        >>> message_text(ast.parse("f'{n} runs' + ' left'", mode="eval").body)
        '{n} runs left'
    """
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else _placeholder(part) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            texts = message_text(left), message_text(right)
            return None if None in texts else "".join(map(str, texts))
    return None


def _placeholder(part: ast.expr) -> str:
    """A value in braces: a name or an attribute as it is written, any other expression as an ellipsis."""
    value = part.value if isinstance(part, ast.FormattedValue) else part
    return f"{{{ast.unparse(value)}}}" if isinstance(value, ast.Name | ast.Attribute) else "{…}"


def file_messages(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Each message of a file as (error class or function, text), in the order of the code."""
    for node in ast.walk(tree):
        match node:
            case ast.Raise(exc=ast.Call(func=func, args=[first, *_])):
                pass
            case ast.Call(func=func, args=[_, _, first]) if _called(func) == "Rule":
                pass
            case ast.Call(func=func, args=[*_, _] as arguments) if _called(func) in CALLS:
                first = next((a for a in arguments if message_text(a) is not None), arguments[0])
            case _:
                continue
        text = message_text(first)
        if text is not None and " " in text:
            yield _called(func), " ".join(text.split())


def _called(func: ast.expr) -> str:
    return ast.unparse(func).rpartition(".")[2]


def messages_page(root: Path = ROOT) -> str:
    """The page as Markdown."""
    lines = ["# Messages", INTRO.strip(), ""]
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            found = list(file_messages(ast.parse(path.read_text(encoding="utf-8"))))
            if found:
                lines += [f"## `{path.relative_to(root).as_posix()}`", ""]
                lines += [f"- {kind}: `` {text} ``" for kind, text in found]
                lines.append("")
    return "\n".join(lines)
