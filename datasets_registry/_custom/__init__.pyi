"""Files that `datasets_registry` names; `__init__.py` loads each on first use."""

from . import feature_bundle as feature_bundle
from . import own_images as own_images
