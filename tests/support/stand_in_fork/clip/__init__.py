from .clip import _MODELS, _download, available_models, build_model, load, tokenize  # noqa: F401
