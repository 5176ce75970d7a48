"""Mistakes in code: one operator, number or condition is changed at a time."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from tools.planted_mistakes import settings

COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"),
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "*"), ast.Pow: ("**", "*"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"),
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}


@dataclass(frozen=True)
class Mistake:
    """One changed place of a file: the characters `start` to `end` become `new`."""

    file: str
    line: int
    start: int
    end: int
    old: str
    new: str

    def applied(self, source: bytes) -> bytes:
        """The source with this change."""
        return source[: self.start] + self.new.encode() + source[self.end :]

    def rank(self, seed: int, source: bytes) -> bytes:
        """Orders mistakes at random; a mistake keeps its rank when other lines of the file change."""
        code = source.splitlines()[self.line - 1].decode()
        column = self.start - source.rfind(b"\n", 0, self.start)
        return hashlib.sha256(f"{seed}|{self.file}|{code}|{column}|{self.old}|{self.new}".encode()).digest()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.old!r} -> {self.new!r}"


def offsets_of_lines(source: bytes) -> list[int]:
    """Where each line begins."""
    offsets = [0]
    for line in source.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    return offsets


def mistakes_in_settings(file: str, source: bytes) -> list[Mistake]:
    """All mistakes in the settings in a file."""
    offsets, found = offsets_of_lines(source), []
    for node, new in settings.changes(source):
        start = offsets[node.lineno - 1] + node.col_offset
        end = offsets[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        found.append(Mistake(file, node.lineno, start, end, source[start:end].decode(), new))
    return found


def mistakes_in_code(file: str, source: bytes) -> list[Mistake]:
    """All mistakes in a file. Annotations, decorators, texts, imports and the messages of errors are not changed."""
    offsets = offsets_of_lines(source)

    def begin(node: ast.expr) -> int:
        return offsets[node.lineno - 1] + node.col_offset

    def finish(node: ast.expr) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return offsets[node.end_lineno - 1] + node.end_col_offset

    def between(left: ast.expr, right: ast.expr, old: str, new: str) -> Mistake:
        start = source.index(old.encode(), finish(left), begin(right))
        return Mistake(file, left.end_lineno or 0, start, start + len(old), old, new)

    def replaced(node: ast.expr, new: str) -> Mistake:
        old = source[begin(node) : finish(node)].decode()
        return Mistake(file, node.lineno, begin(node), finish(node), old, new)

    found: list[Mistake] = []
    for node in _mutable_nodes(ast.parse(source)):
        match node:
            case ast.Compare():
                for left, operator, right in zip(
                    [node.left, *node.comparators], node.ops, node.comparators, strict=False
                ):
                    found.append(between(left, right, *COMPARISONS[type(operator)]))
            case ast.BinOp() if type(node.op) in ARITHMETIC:
                found.append(between(node.left, node.right, *ARITHMETIC[type(node.op)]))
            case ast.BoolOp():
                old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in zip(node.values, node.values[1:], strict=False):
                    found.append(between(left, right, old, new))
            case ast.UnaryOp(op=ast.Not() | ast.USub()):
                found.append(replaced(node, source[begin(node.operand) : finish(node.operand)].decode()))
            case ast.Constant(value=bool()):
                found.append(replaced(node, str(not node.value)))
            case ast.Constant(value=int() | float()):
                found.append(replaced(node, repr(node.value + 1)))
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                found.append(replaced(node.func, CALLS[name]))
            case ast.If() | ast.IfExp():
                condition = source[begin(node.test) : finish(node.test)].decode()
                found.append(replaced(node.test, f"(not ({condition}))"))
            case ast.comprehension():
                found += [replaced(condition, "True") for condition in node.ifs]
    return found


def _mutable_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(tree):
        if name in {"annotation", "returns", "decorator_list"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            is_code = isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr | ast.Raise | ast.Assert)
            if is_code and not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
                yield child
                yield from _mutable_nodes(child)
