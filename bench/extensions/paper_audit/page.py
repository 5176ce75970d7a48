"""The page of an audit, and the section of all complete tables on the page of published numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench._util.words import counted
from bench.analysis import H
from bench.extensions.paper_audit.baselines import Reading
from bench.extensions.paper_audit.chance import DISCORDANCE
from bench.extensions.paper_audit.examine import SEEDS, audited
from bench.extensions.paper_audit.findings import HEADINGS, WITHIN, Audit
from bench.extensions.paper_audit.ledger import ledger_tables, short_source
from bench.extensions.paper_audit.spreads import BASE_TO_NEW
from bench.results import write_output
from reports import FIRST_ROWS, AddedPart, Column, Part, Table, cell, fold, page_environment, paragraph, table


def write_audit_page(found: Audit, out: Path, *, force: bool = False) -> Path:
    """Write the page of an audit to one file that needs no network, and return its path.

    Raises UsageError if a file that is not a page of etl-bench is there, unless `force`.
    """
    environment = page_environment("bench.extensions.paper_audit")
    rows = found.table_rows()
    page = environment.get_template("audit.html.j2").render(
        audit=found,
        columns=list(rows[0]),
        numbers=[HEADINGS[measure] for measure in found.table.measures],
        rows=rows,
        sections=found.sections(),
    )
    return write_output(out, page.encode(), force=force)


def parts_of_tables(protocol: str | None = None) -> list[AddedPart]:
    """The complete tables of the ledger, one row each, for the page of published numbers; `protocol` restricts them."""
    tables = [one for one in ledger_tables().values() if protocol in (None, one.protocol)]
    audits = [one for one in map(audited, tables) if one.rival]
    return [AddedPart("audits", "What the tables can carry", "published_sources", _parts(audits))] if audits else []


def _parts(audits: Sequence[Audit]) -> list[Part]:
    beyond = [one for one in audits if one.gains[_measure(one)].beyond and one.gains[_measure(one)].points > 0]
    unequal = sum(one.rival in one.unequal for one in beyond)
    unknown = sum(not one.gains[_measure(one)].seeds_known for one in audits)
    facts = (
        f"In {len(beyond)} of {counted(len(audits), 'table')}, the examined row leads the one that it is compared with "
        f"by more than chance gives on new classes, or on all; in {unequal} of these it sees more than that row does. "
        f"For {unknown} the spread between seeds is not known."
    )
    note = (
        "Each row is a table of the ledger with at least four datasets. The gain is that of its paper's own method "
        "over the best of the other methods; without an own method, of its best row over the next one. 95 % of the "
        "differences of two equally good methods are within ±. Both are assumed to have the same test images, on "
        f"{100 * DISCORDANCE:.0f} % of which exactly one is right, and {SEEDS} seeds if the source states no number. "
        f"Seeds spread as in a user's runs of PromptSRC for base-to-new ({BASE_TO_NEW}), and as the few printed "
        "spreads of the ledger for few-shot and domain generalization, nearly all of methods without trained prompts. "
        "None is known for cross-dataset, where ± is that of the test images alone. A gain within ± may be real, and "
        "one beyond it may be one of inputs or of recipes."
    )
    shown = [paragraph(note), table(_table(audits))]
    return [paragraph(facts), fold("audits-tables", "Table by table", counted(len(audits), "table"), shown)]


def _measure(one: Audit) -> str:
    """The measure that the section is about: new classes, or accuracy."""
    return "new" if H in one.table.measures else "all"


def _table(audits: Sequence[Audit]) -> Table:
    columns = [
        Column("Table", "text", "", "why"),
        Column("Gain of", "text"),
        Column("over", "text"),
        Column("Gain", "points", "In points: on new classes, or on all"),
        Column("±", "number", "By chance, in points"),
        Column("Beyond chance", "text"),
        Column("Sees more", "text", "Whether the first sees more than the second"),
        Column("Same as elsewhere", "of", "Rows with the numbers of another table, of the other rows"),
        Column("H and averages off", "of", "Numbers that their row does not give, of those that can be recomputed"),
    ]
    return Table("audits-table", columns, [_row(one) for one in audits], first=FIRST_ROWS)


def _row(one: Audit) -> list[object]:
    gain = one.gains[_measure(one)]
    others = [row for row in one.rows if row.label != one.claim]
    same = sum(row.baseline.reading == Reading.SAME for row in others)
    known = one.row(one.claim).uses is not None and one.row(one.rival).uses is not None
    setting = f"{one.table.protocol}, {counted(one.table.shots, 'shot')}, {one.table.backbone}"
    return [
        cell(short_source(one.table.place), setting, one.table.name),
        one.claim,
        one.rival,
        round(100 * gain.points),
        f"{gain.reach:.2f}",
        "yes" if gain.beyond else "no" if gain.verdict == WITHIN else "open",
        ("yes" if one.rival in one.unequal else "no") if known else "unknown",
        cell([same, len(others)]),
        cell([len(one.arithmetic), one.checked]),
    ]
