"""Audits a printed table: a file, or a complete table of the ledger. Reads no data, and loads no weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench.api import Opt
from bench.api import options as opt
from bench.errors import UsageError
from bench.sweep import parse_choice
from datasets_registry import EvalProtocol, did_you_mean

if TYPE_CHECKING:
    from bench.extensions.paper_audit.findings import Audit


BACKBONE, SHOTS = "ViT-B-16.openai", 16
"""Of the numbers of a file that does not state them."""


def complete_tables() -> list[dict[str, object]]:
    """The complete tables of the ledger, which `audit` takes by name."""
    from bench.extensions.paper_audit.ledger import ledger_tables

    return [
        {
            "table": table.name,
            "protocol": table.protocol,
            "methods": len(table.complete),
            "datasets": len(table.averaged),
            "shots": table.shots,
            "backbone": table.backbone,
            "printed in": ", ".join(table.place),
        }
        for table in ledger_tables().values()
    ]


def audit(
    table: Annotated[
        str | Path,
        opt.Arg("A file (.csv, .md or .tex), or a name of the list. Default: list the tables.", metavar="[TABLE]"),
    ],
    *,
    claim: Annotated[
        str | None,
        Opt("The row whose gain is examined. Default: the table's own method, else the best row."),
    ] = None,
    seeds: Annotated[int | None, Opt("Seeds of each number, if the source states them.", min=1)] = None,
    protocol: opt.Protocol = None,
    backbone: Annotated[
        str | None, Opt(f"That of a file's numbers. Default: {BACKBONE}.", "-b", metavar="ARCH.TAG")
    ] = None,
    shots: Annotated[int | None, Opt(f"Those of a file's numbers. Default: {SHOTS}.", min=1)] = None,
    out: Annotated[Path | str | None, Opt("Also write a page to this file.")] = None,
    force: opt.Force = False,
) -> Audit:
    """What a printed table can and cannot carry: its arithmetic, baselines and inputs, and its gain against chance.

    Raises UsageError for a file that holds no table, and for a row that it lacks.
    """
    from bench.extensions.paper_audit.examine import audited
    from bench.extensions.paper_audit.ledger import complete_table, ledger_tables
    from bench.extensions.paper_audit.table_files import table_of_file
    from bench.results import check_output_file

    if out is not None:
        check_output_file(Path(out), "--out", force=force, suffixes=(".html", ".htm"))
    kind = None if protocol is None else str(parse_choice(EvalProtocol, protocol, "--protocol"))
    path = Path(table).expanduser()
    known = str(table) in ledger_tables() or not (path.exists() or path.suffix)
    if known:
        for option, value in (("--protocol", protocol), ("--backbone", backbone), ("--shots", shots)):
            if value is not None:
                raise UsageError(
                    f"{option} {value} has no effect on a table of the ledger, which states it; leave it out."
                )
        read = complete_table(str(table))
    else:
        read = table_of_file(path, kind, _known_backbone(backbone or BACKBONE), shots or SHOTS)
    found = audited(read, claim, seeds)
    if out is not None:
        from bench.extensions.paper_audit.page import write_audit_page

        write_audit_page(found, Path(out), force=force)
    return found


def _known_backbone(name: str) -> str:
    """The name; raises UsageError, with near misses, if the ledger has no numbers of this backbone."""
    from bench.papers import published_frame

    known = sorted(published_frame()["backbone"].unique())
    if name not in known:
        near = did_you_mean(name, known) or f" Known: {', '.join(known)}."
        raise UsageError(f"The ledger has no numbers of the backbone {name!r}.{near}")
    return name
