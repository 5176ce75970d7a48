"""Public names of `bench.extensions.forks`; `__init__.py` loads each on first use."""

from .drop_in import write_drop_in as write_drop_in
from .errors import OfficialCodeError as OfficialCodeError
from .errors import PredictionsError as PredictionsError
from .extension import EXTENSION as EXTENSION
from .fork_method import RUNNABLE as RUNNABLE
from .fork_method import fork_facts as fork_facts
from .fork_method import runnable_code as runnable_code
from .fork_run import run_official_code as run_official_code
from .inspect_and_try import InspectedCode as InspectedCode
from .inspect_and_try import inspect_official_code as inspect_official_code
from .inspection import inspect_code as inspect_code
from .predictions_import import ImportedPredictions as ImportedPredictions
from .predictions_import import import_predictions as import_predictions
from .questions import WrittenQuestions as WrittenQuestions
from .questions import write_questions as write_questions
from .sent_checkout import packed_checkout as packed_checkout
from .sent_checkout import unpack_checkout as unpack_checkout
from .trust import check_trusted as check_trusted
from .trust import is_trusted as is_trusted
from .trust import trust_code as trust_code
