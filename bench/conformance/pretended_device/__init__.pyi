"""Public names of `bench.conformance.pretended_device`; `__init__.py` loads each on first use."""

from .compiled_guard import why_unavailable as why_unavailable
from .counts import COUNTS as COUNTS
from .counts import Counts as Counts
from .installation import DEVICES as DEVICES
from .installation import install as install
