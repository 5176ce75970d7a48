"""What this folder adds to the harness: predictions that were computed elsewhere, as runs."""

from bench.extension import Extension

EXTENSION = Extension(commands="bench.extensions.predictions.commands:COMMANDS")
