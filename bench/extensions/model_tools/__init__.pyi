"""Public names of `bench.extensions.model_tools`; `__init__.py` loads each on first use."""

from .explaining import explain as explain
from .explanation import ClassTextProjection as ClassTextProjection
from .explanation import EnsembleSummary as EnsembleSummary
from .explanation import Explanation as Explanation
from .explanation import LabelledImage as LabelledImage
from .explanation import ZeroShotChanges as ZeroShotChanges
from .explanation import explain_model as explain_model
from .exporting import export_tuned_model as export_tuned_model
from .extension import EXTENSION as EXTENSION
from .page import render_explanation as render_explanation
