"""Public names of `bench.extensions.hub`; `__init__.py` loads each on first use."""

from .extension import EXTENSION as EXTENSION
from .hugging_face import eval_results as eval_results
from .hugging_face import model_cards as model_cards
