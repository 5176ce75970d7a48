"""Public names of `bench.explanation`; `__init__.py` loads each on first use."""

from .class_texts import class_text_projection as class_text_projection
from .context_words import context_words as context_words
from .explain import LabelledImage as LabelledImage
from .explain import explain_model as explain_model
from .learned_tensors import ensemble_weights as ensemble_weights
from .learned_tensors import tensor_norms as tensor_norms
from .similarity_maps import patch_similarity as patch_similarity
from .zero_shot_changes import zero_shot_changes as zero_shot_changes
