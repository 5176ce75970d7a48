"""Audits a printed table: a file, or a complete table of the ledger. Reads no data, and loads no weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from bench.api import OnlyWith, Opt
from bench.api import options as opt
from bench.sweep import parse_choice
from datasets_registry import EvalProtocol

if TYPE_CHECKING:
    from bench.extensions.paper_audit.findings import Audit


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
        OnlyWith("table"),
    ] = None,
    seeds: Annotated[
        int | None, Opt("Seeds of each number, if the source states them.", min=1), OnlyWith("table")
    ] = None,
    protocol: Annotated[opt.Protocol, OnlyWith("table")] = None,
    backbone: Annotated[
        str, Opt("That of a file's numbers, as arch.tag.", "-b"), OnlyWith("table")
    ] = "ViT-B-16.openai",
    shots: Annotated[int, Opt("Those of a file's numbers.", min=1), OnlyWith("table")] = 16,
    out: Annotated[Path | str | None, Opt("Also write a page to this file."), OnlyWith("table")] = None,
    force: Annotated[opt.Force, OnlyWith("out")] = False,
) -> Audit:
    """What a printed table can and cannot carry: its arithmetic, baselines and inputs, and its gain beside chance.

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
    read = complete_table(str(table)) if known else table_of_file(path, kind, backbone, shots)
    found = audited(read, claim, seeds)
    if out is not None:
        from bench.extensions.paper_audit.page import write_audit_page

        write_audit_page(found, Path(out), force=force)
    return found
