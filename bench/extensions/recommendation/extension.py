"""What this folder adds to the harness: the recommendation of a method for a dataset."""

from bench.extension import Extension

EXTENSION = Extension(commands="bench.extensions.recommendation.commands:COMMANDS", panels={"recommend": "Run"})
