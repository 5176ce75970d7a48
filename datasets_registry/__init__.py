"""The catalogue of datasets. Importing it registers every entry and touches neither an image nor torch.

`__init__.pyi` lists the public names. Each is loaded on first use.

Example:
    >>> from datasets_registry import get_dataset
    >>> get_dataset("eurosat").num_classes
    10
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

from datasets_registry import _plugins, _registry  # noqa: E402  the catalogue's own files import this package

_registry.import_catalogue(__name__, __path__)
_plugins.load_entry_points(_plugins.DATASETS_GROUP, _registry.DATASETS)
_plugins.load_custom_datasets()
_plugins.load_feature_bundles()
