"""What this folder adds to the harness: the checks that every method must pass, and the files of a new method."""

from bench.extension import Extension

EXTENSION = Extension(commands="bench.extensions.conformance.commands:COMMANDS")
