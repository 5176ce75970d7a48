"""Public names of `bench.label_suggestions`; `__init__.py` loads each on first use."""

from .choice import RULES as RULES
from .choice import Choice as Choice
from .choice import choose as choose
from .choice import margins as margins
from .suggest import Suggestion as Suggestion
from .suggest import Suggestions as Suggestions
from .suggest import suggest_labels as suggest_labels
