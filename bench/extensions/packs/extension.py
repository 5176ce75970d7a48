"""What this folder adds to the harness: feature packs, which are made, checked and run."""

from bench.extension import Extension

EXTENSION = Extension(
    commands="bench.extensions.packs.commands:COMMANDS", pack="bench.extensions.packs.stored:stored_pack"
)
