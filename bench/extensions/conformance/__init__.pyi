"""Public names of `bench.extensions.conformance`; `__init__.py` loads each on first use."""

from .checking import check_method as check_method
from .checks import CHECKS as CHECKS
from .checks import CheckOutcome as CheckOutcome
from .checks import run_check as run_check
from .checks import run_checks as run_checks
from .new_method import scaffold as scaffold
from .subject import Subject as Subject
