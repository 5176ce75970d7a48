"""Public names of `bench.extensions.paper_audit`; `__init__.py` loads each on first use."""

from .auditing import audit as audit
from .auditing import complete_tables as complete_tables
from .extension import EXTENSION as EXTENSION
from .findings import Audit as Audit
