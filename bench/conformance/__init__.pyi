"""Public names of `bench.conformance`; `__init__.py` loads each on first use."""

from .all_checks import CHECKS as CHECKS
from .all_checks import run_checks as run_checks
from .check import Check as Check
from .check import Outcome as Outcome
from .check import Result as Result
from .check import run_check as run_check
from .subject import Subject as Subject
