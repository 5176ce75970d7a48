"""Checks for published settings, and for unmarked selection on test labels."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from bench.method_info.changed_settings import changed_settings
from bench.record import RunRecord
from bench.spec import PUBLISHED_RECIPES
from datasets_registry import UnknownNameError
from methods import MethodInfo, Selection, known_methods, selection_rules


class SettingsChecks:
    """Facts of the methods that are installed with the board; they are read once."""

    def __init__(self) -> None:
        self._infos: dict[str, MethodInfo | None] = {}

    def info(self, method: str) -> MethodInfo | None:
        """The facts of a method, None if it is not installed here."""
        if method not in self._infos:
            try:
                self._infos[method] = self._known.get(method).info
            except UnknownNameError:
                self._infos[method] = None
        return self._infos[method]

    def oracle_settings(self, method: str) -> Mapping[str, Any]:
        """Settings with which the method chooses on test labels; empty for one that is not installed."""
        info = self.info(method)
        rule = None if info is None else selection_rules(info).get(Selection.ORACLE)
        return {} if rule is None or rule.by_epoch else rule.settings

    def differences(self, record: RunRecord) -> tuple[str, ...] | None:
        """Settings that differ from the published settings, as `name=value`; None if the method is not installed."""
        spec = record.spec
        info = self.info(spec.method)
        if info is None:
            return None
        published = info.default_config(spec.protocol).model_dump(mode="json")
        found = [f"{key}={spec.config[key]}" for key in changed_settings(spec.config, published)]
        name = None if spec.recipe is None else spec.recipe.get("name")
        if name not in (None, *PUBLISHED_RECIPES):
            found.append(f"recipe {name}")
        if spec.epoch_selection is not None:
            found.append(f"epoch selection {spec.epoch_selection}")
        if spec.held_out_shot:
            found.append("selection hoso")
        return tuple(found)

    def hidden_oracle(self, record: RunRecord) -> str | None:
        """The reason why an unmarked run must be marked as an oracle; None if it need not be or is marked."""
        spec = record.spec
        if all(score.selected_on_test for score in record.scores):
            return None
        if spec.epoch_selection == "oracle":
            return "its epoch was selected on test labels, but its scores do not say so"
        settings = self.oracle_settings(spec.method)
        if settings and all(spec.config.get(key) == value for key, value in settings.items()):
            return "its settings select on test labels, but its scores do not say so"
        return None

    @cached_property
    def _known(self) -> Any:
        return known_methods()
