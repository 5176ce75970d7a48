"""What this folder adds to the harness: the figures of `papers reproduce`."""

from bench.extension import Extension

EXTENSION = Extension(outputs={"papers reproduce figures": "bench.extensions.paper_figures.drawing"})
