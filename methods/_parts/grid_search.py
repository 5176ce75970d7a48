"""Methods that choose a few numbers from a grid, in the way that their setting `selection` says."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from datasets_registry import ClassSet
from methods._base.batch import Classifier
from methods._base.method import ConfigT, Method
from methods._base.probability_ensemble import ProbabilityEnsemble


class GridSearchMethod(Method[ConfigT]):
    """Base of the methods whose `selection` is `validation`, `fixed`, `ensemble` or `oracle`.

    A subclass searches by validation in `calibrate`.
    """

    config: Any

    @abstractmethod
    def selected(self, classes: ClassSet) -> Classifier:
        """The classifier with the fixed values, or with those that the search found."""

    @abstractmethod
    def candidates(self, classes: ClassSet) -> dict[str, Classifier]:
        """A classifier for each point of the grid that the ensemble averages and the oracle chooses from."""

    def classifier(self, classes: ClassSet) -> Classifier:
        self.check_classes(classes)
        if self.config.selection == "ensemble":
            return ProbabilityEnsemble(self.candidates(classes).values())
        return self.selected(classes)

    def oracle_classifiers(self, classes: ClassSet) -> Mapping[str, Classifier]:
        if self.config.selection != "oracle":
            return {}
        self.check_classes(classes)
        return self.candidates(classes)
