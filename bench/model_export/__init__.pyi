"""Public names of `bench.model_export`; `__init__.py` loads each on first use."""

from .errors import ExportError as ExportError
from .export_model import FORMATS as FORMATS
from .export_model import check_export as check_export
from .export_model import export_model as export_model
from .linear_head import LinearHead as LinearHead
from .linear_head import linear_head as linear_head
