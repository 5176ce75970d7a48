"""The facts of methods as plain data, stored in a file, so that listings and plans import no method and no torch.

`python -m tools.generate_docs` writes the file of this package's methods; a test holds it current.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from datasets_registry import EvalProtocol, Registry, UnknownNameError
from methods._base.method_info import CheckedSettings, MethodConfig, MethodInfo, MethodTraits, refuse_host
from methods._base.recipe import without_fields

if TYPE_CHECKING:
    from methods._base.method import Method
    from methods._base.registry import MethodRegistry

FACTS_FILE = "method_facts.json"
"""File in `methods/_assets` with the facts of this package's methods."""
OWN_PACKAGES = ("methods", "builtins", "abc", "typing")
"""Where the base classes of this package's methods come from."""


@dataclass(frozen=True)
class MethodSetting:
    """One setting of a method.

    Args:
        schema: its JSON schema: type, default, range or allowed values, and description.
        left_out: whether a run's spec does not record it while it has its default.
    """

    schema: Mapping[str, Any]
    left_out: bool = False

    @property
    def default(self) -> Any:
        """The default; a list is a tuple."""
        return _tuples(self.schema.get("default"))

    @property
    def description(self) -> str:
        """What it means, and where the default is published."""
        return str(self.schema.get("description", ""))


@dataclass(frozen=True, kw_only=True)
class MethodFacts(MethodTraits):
    """The facts of one method as plain data.

    Args:
        notes: paper, official file and differences: the docstring of the method's module without its first line.
        parameter_formula: code of the number of learned values.
        settings: the settings by name.
        closable: whether some settings tie an open-vocabulary method to its training classes.
        teaches: whether its logits are the cosine of one image and one text feature, as those of a teacher must be.
        rules: facts that the method's code derives from its published settings, by protocol: fields of
            `CheckedSettings`.
        source_digest: digest of the source of a method that does not ship with this package; empty for one that does.
    """

    notes: str = ""
    parameter_formula: str = "0"
    settings: Mapping[str, MethodSetting] = field(default_factory=dict)
    closable: bool = False
    teaches: bool = False
    rules: Mapping[EvalProtocol, Mapping[str, Any]] = field(default_factory=dict)
    source_digest: str = ""

    @property
    def choices(self) -> Mapping[str, tuple[Any, ...]]:
        """The allowed values of each setting that is a choice."""
        schemas = {key: setting.schema for key, setting in self.settings.items()}
        choices = {key: (s["const"],) if "const" in s else tuple(s.get("enum", ())) for key, s in schemas.items()}
        return {key: values for key, values in choices.items() if values}

    def settled(self, protocol: EvalProtocol, changes: Mapping[str, Any] | None = None) -> CheckedSettings:
        """The published settings for a protocol with changes. Raises pydantic's ValidationError for invalid ones.

        The method itself checks changes, and is imported for that.
        """
        return _imported(self.name).info.settled(protocol, changes) if changes else self.unchecked(protocol)

    def unchecked(self, protocol: EvalProtocol, changes: Mapping[str, Any] | None = None) -> CheckedSettings:
        """The published settings for a protocol with valid changes, which change no other fact. Imports no method."""
        defaults = {key: setting.schema.get("default") for key, setting in self.settings.items()}
        published = self.config_by_protocol.get(self.printed_protocol(protocol), {})
        values = defaults | dict(published) | dict(changes or {})
        if changes and isinstance(table := values.get("by_dataset"), Mapping):
            values["by_dataset"] = without_fields(table, changes) or None
        omitted = {key for key, setting in self.settings.items() if setting.left_out and values[key] == defaults[key]}
        recorded = {key: value for key, value in values.items() if key not in omitted}
        return CheckedSettings(recorded, **self.rules.get(protocol, {}))


def facts_of(method: type[Method[Any]]) -> MethodFacts:
    """The facts of a method class."""
    info = method.info
    traits = {name: getattr(info, name) for name in MethodTraits.__dataclass_fields__}
    traits["config_by_protocol"] = {
        protocol: {key: info.settled(protocol).values.get(key, value) for key, value in values.items()}
        for protocol, values in info.config_by_protocol.items()
    }
    rules = {
        protocol: {key: value for key, value in asdict(info.settled(protocol)).items() if key != "values" and value}
        for protocol in EvalProtocol
    }
    docstring = inspect.getdoc(inspect.getmodule(method)) or ""
    return MethodFacts(
        **traits,
        notes=docstring.partition("\n")[2].strip() or docstring,
        parameter_formula=info.parameter_formula,
        settings=_settings(info),
        teaches=getattr(method, "one_pair", False),  # only methods with two towers have it
        closable=info.config.closed_vocabulary is not MethodConfig.closed_vocabulary,
        rules={protocol: rule for protocol, rule in rules.items() if rule},
    )


def is_own(method: type[Method[Any]]) -> bool:
    """Whether a method ships with this package: its facts are in the file, and all its base classes are of it."""
    stored = stored_facts()
    return all(name in stored["methods"] or name in stored["wrappers"] for name in method.info.name.split(":")) and all(
        base.__module__.partition(".")[0] in OWN_PACKAGES for base in method.__mro__
    )


def _settings(info: MethodInfo) -> dict[str, MethodSetting]:
    config = info.config
    schemas = config.model_json_schema(mode="validation").get("properties", {})
    recorded = config.model_validate(config().model_dump()).model_dump(mode="json")
    settings = {}
    tables = [config().by_dataset, *(values.get("by_dataset") for values in info.config_by_protocol.values())]
    for key in config.model_fields:
        if key == "by_dataset" and not any(tables):
            continue
        schema = {name: value for name, value in schemas[key].items() if name != "title"}
        schema |= {"default": recorded[key]} if key in recorded else {}
        settings[key] = MethodSetting(schema, key not in recorded)
    return settings


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


_FACTS = TypeAdapter(MethodFacts)


def facts_as_json(facts: MethodFacts) -> dict[str, Any]:
    """Facts as JSON values, without those that have their default."""
    values: dict[str, Any] = _FACTS.dump_python(facts, mode="json", exclude_defaults=True)
    return {key: sorted(value) if key in ("needs", "tower_use") else value for key, value in values.items()}


def facts_from_json(values: Mapping[str, Any]) -> MethodFacts:
    """The facts that `facts_as_json` wrote."""
    return _FACTS.validate_python(values)


def facts_file_text(registry: MethodRegistry, names: Sequence[str]) -> str:
    """The content of the file: the facts of these methods, and of each wrapper around each of them.

    Of a wrapped method it has what differs from the host: what is `shared` by all hosts of the wrapper, and what is
    added for one of them. `refused` has the reasons why the wrapper does not fit around the others.
    """
    methods = {name: facts_as_json(facts_of(registry.get(name))) for name in names}
    wrappers: dict[str, Any] = {}
    for wrapper, wrapping in registry.wrappers.items():
        refused = {host: reason for host in names if (reason := wrapping.host_conflict(registry.get(host)))}
        hosts = {
            host: _changes(methods[host], facts_as_json(facts_of(registry.get(f"{wrapper}:{host}"))))
            for host in names
            if host not in refused
        }
        first, *other_hosts = hosts.values()
        shared = {key: value for key, value in first.items() if all(key in o and o[key] == value for o in other_hosts)}
        added = {host: {key: value for key, value in all_.items() if key not in shared} for host, all_ in hosts.items()}
        wrappers[wrapper] = {"shared": shared, "hosts": added, "refused": refused}
    return f'{{\n"methods": {_lines(methods)},\n"wrappers": {_lines(wrappers)}\n}}\n'


def _lines(entries: Mapping[str, Any]) -> str:
    rows = (f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in entries.items())
    return "{\n" + ",\n".join(rows) + "\n}"


def _changes(host: Mapping[str, Any], wrapped: Mapping[str, Any]) -> dict[str, Any]:
    """What is different in `wrapped`, key by key also within mappings; None for a key that it lacks."""
    differing: dict[str, Any] = {key: None for key in host if key not in wrapped}
    for key, value in wrapped.items():
        if isinstance(value, dict) and isinstance(host.get(key), dict):
            differing |= {key: changes} if (changes := _changes(host[key], value)) else {}
        elif key not in host or host[key] != value:
            differing[key] = value
    return differing


def _changed(host: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`host` with the changes that `_changes` found."""
    changed = dict(host)
    for key, value in changes.items():
        old = host.get(key)
        changed[key] = _changed(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        if value is None:
            del changed[key]
    return changed


@cache
def stored_facts() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """The content of the file, which is read once: `methods` and `wrappers` by name, see `facts_file_text`."""
    text = resources.files("methods").joinpath("_assets", FACTS_FILE).read_text(encoding="utf-8")
    stored: Mapping[str, Mapping[str, Mapping[str, Any]]] = json.loads(text)
    return stored


def _wrapped_facts(wrapper: str, host: str) -> MethodFacts:
    """The stored facts of a wrapper around a host that it fits."""
    stored = stored_facts()["wrappers"][wrapper]
    values = _changed(_changed(stored_facts()["methods"][host], stored["shared"]), stored["hosts"][host])
    settings = values.get("settings", {})
    # the first field of every configuration, also where only the wrapper has values by dataset
    first = {key: settings[key] for key in ("by_dataset",) if key in settings}
    return facts_from_json(values | {"settings": first | settings})


def _file_of_that_name(name: str) -> str:
    return f" Your file of that name is given as ./{name}.py." if Path(f"{name}.py").is_file() else ""


class MethodFactsRegistry(Registry[MethodFacts]):
    """The facts of all methods by name, also of `wrapper:host`. Reading it imports no method of this package.

    Methods that this process registered otherwise are included, such as those of a notebook.

    Args:
        add_others: adds the facts of methods that are not in the file of this package.
        read: the facts of a method class.
    """

    def __init__(
        self,
        add_others: Callable[[MethodFactsRegistry], None] = lambda _: None,
        read: Callable[[type[Method[Any]]], MethodFacts] = facts_of,
    ) -> None:
        super().__init__("method", self._load_facts, _file_of_that_name)
        self._add_others, self._read = add_others, cache(read)
        self._wrapped: dict[str, MethodFacts] = {}

    def _load_facts(self) -> None:
        for name, values in stored_facts()["methods"].items():
            self.add(name, facts_from_json(values))
        self._add_others(self)

    @property
    def entries(self) -> dict[str, MethodFacts]:
        """All facts by name."""
        shipped = super().entries
        loaded = sys.modules.get("methods._base.registry")
        registered = {} if loaded is None else loaded.METHODS.registered
        return shipped | {
            name: self._read(cls) for name, cls in registered.items() if name not in stored_facts()["methods"]
        }

    def get(self, name: str) -> MethodFacts:
        """The facts of the method of that name, or of `wrapper:host`.

        Raises UnknownNameError with near misses, or BenchError if the wrapper does not fit around the host.
        """
        wrapper, colon, host = name.partition(":")
        if not colon:
            return super().get(name)
        super().get(host)
        if name in self._wrapped:
            return self._wrapped[name]
        stored = stored_facts()
        facts_of_wrapper = stored["wrappers"].get(wrapper)
        if facts_of_wrapper is not None and host in facts_of_wrapper["hosts"]:
            facts = _wrapped_facts(wrapper, host)
        elif facts_of_wrapper is not None and host in facts_of_wrapper["refused"]:
            refuse_host(wrapper, host, facts_of_wrapper["refused"][host], facts_of_wrapper["hosts"])
        elif facts_of_wrapper is None and len(self) == len(stored["methods"]):
            raise UnknownNameError("wrapper method", wrapper, stored["wrappers"])
        else:  # the host or the wrapper is from another package
            facts = self._read(_imported(name))
        return self._wrapped.setdefault(name, facts)

    def infos(self) -> list[MethodFacts]:
        """Facts of all methods, sorted by name; wrappers appear only around their default host."""
        return [self.get(name) for name in self]


def _imported(name: str) -> type[Method[Any]]:
    from methods._base.registry import METHODS

    return METHODS.get(name)
