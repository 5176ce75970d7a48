"""What this folder adds to the harness: two formats of `export`."""

from bench.extension import Extension

_FORMATS = "bench.extensions.hub.hugging_face"
EXTENSION = Extension(outputs={"export hf": f"{_FORMATS}:model_cards", "export hf-results": f"{_FORMATS}:eval_results"})
