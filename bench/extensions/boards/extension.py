"""What this folder adds to the harness: public leaderboards from submissions."""

from bench.extension import Extension

EXTENSION = Extension(commands="bench.extensions.boards.commands:COMMANDS", panels={"board": "Keep"})
