"""The command `papers audit`."""

from typing import Any

from bench.cli import AsJson, options_of, print_json, print_line, print_rows, print_text, remark
from bench.extensions.paper_audit.auditing import audit, complete_tables


@options_of(audit)
def _audit(table: str | None = None, as_json: AsJson = False, **options: Any) -> None:
    """Say what a printed table of results can and cannot carry; it needs no data and no run.

    The table is a file (rows are methods, columns are datasets, cells are accuracies or base/new/H) or one of the
    ledger. It is compared with itself (H and averages), with what other tables print for the same methods, with what
    each method sees, and with chance: the noise of seeds and test images that such averages have. Exit code: 0 the
    table was read, whatever was found; 2 it cannot be read.

    Example: etl-bench papers audit our-table.tex --out audit.html

    Example: etl-bench papers audit skiptuning-base-to-new-table
    """
    if table is None:
        print_rows(complete_tables(), as_json=as_json, spare=["printed in", "backbone"])
        return
    found = audit(table, **options)
    if as_json:
        print_json(found.to_json())
        return
    print_line(f"{found.table.name}: {found.title}")
    if found.table.place[0]:
        print_text(f"printed in {', '.join(found.table.place)}, {found.table.url}")
    if found.answer:
        print_text(found.answer)
    rows = found.table_rows()
    print_rows(
        rows, spare=[name for name in rows[0] if name == "extra inputs" or "own paper" in name or "(tables)" in name]
    )
    if found.below_table:
        print_text(found.below_table)
    for heading, sentences in found.sections().items():
        if sentences:
            print_text("\n".join([f"\n{heading}", *(f"- {one}" for one in sentences)]))
    if out := options.get("out"):
        remark(f"the page is {out}")


COMMANDS = {"papers audit": _audit}
