"""Public names of `bench.extensions.conformance`; `__init__.py` loads each on first use."""

from .all_checks import CHECKS as CHECKS
from .all_checks import run_checks as run_checks
from .check import CheckOutcome as CheckOutcome
from .check import Result as Result
from .check import run_check as run_check
from .checking import check_method as check_method
from .checking import method_checks as method_checks
from .checking import new_method as new_method
from .extension import EXTENSION as EXTENSION
from .new_method import Scaffold as Scaffold
from .new_method import scaffold as scaffold
from .short_trial import LIMIT_SECONDS as LIMIT_SECONDS
from .short_trial import TrialRow as TrialRow
from .short_trial import TrialTimeoutError as TrialTimeoutError
from .short_trial import trial as trial
from .short_trial import verdict as verdict
from .subject import Subject as Subject
