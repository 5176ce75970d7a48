"""Public names of `bench.tuned_models.export`; `__init__.py` loads each on first use."""

from .description import ExportError as ExportError
from .exports import FORMATS as FORMATS
from .exports import check_export as check_export
from .exports import export_model as export_model
from .linear_head import LinearHead as LinearHead
from .linear_head import linear_head as linear_head
