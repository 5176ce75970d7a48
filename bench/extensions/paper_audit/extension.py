"""What this folder adds to the harness: the audit of a printed table."""

from bench.extension import Extension

EXTENSION = Extension(
    commands="bench.extensions.paper_audit.commands:COMMANDS",
    outputs={"report published": "bench.extensions.paper_audit.page:parts_of_tables"},
)
