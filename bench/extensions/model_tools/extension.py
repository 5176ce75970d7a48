"""What this folder adds to the harness: what a tuned model learned, and its export."""

from bench.extension import Extension

EXTENSION = Extension(commands="bench.extensions.model_tools.commands:COMMANDS")
