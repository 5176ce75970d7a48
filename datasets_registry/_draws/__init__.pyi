"""Files that `datasets_registry` names; `__init__.py` loads each on first use."""

from . import few_shot_draws as few_shot_draws
from . import held_out as held_out
