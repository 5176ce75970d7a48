"""Public names of `bench.extensions.trackers`; `__init__.py` loads each on first use."""

from .extension import EXTENSION as EXTENSION
from .sending import Sending as Sending
from .sending import Sent as Sent
from .sending import TrackerError as TrackerError
from .sending import send_runs as send_runs
