"""Files that `datasets_registry` names; `__init__.py` loads each on first use."""

from . import archives as archives
from . import foreign_files as foreign_files
from . import image_sources as image_sources
from . import tables as tables
