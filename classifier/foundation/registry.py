"""Alternatives of a configuration: built-in kinds in a plain list, and a user's own, named kind = "module:Name".

Only two things import a user's module: a configuration file that the user gives (load_config), and the environment
variable CBEDGAN_PLUGINS, which lists modules separated by commas. Anything else, such as a checkpoint, may only name
kinds that this process has taken already. No checkpoint holds code.
"""

import hashlib
import importlib
import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any, get_args

from pydantic import GetCoreSchemaHandler, TypeAdapter, ValidationError, ValidationInfo
from pydantic_core import core_schema

from classifier.foundation.config import OWN_CODE, Alternatives, Config, raise_own
from classifier.foundation.errors import FAULTS_OF_CONTENT, InputError

PLUGINS = "CBEDGAN_PLUGINS"
_taken: dict[str, tuple[type[Config], str]] = {}  # {"module:Name": (class, sha256 of its file when it was taken)}


class Kinds(Alternatives):
    """Annotation of a field: Annotated[Protocol, Kinds(First, Second)] takes the listed kinds, and a user's own.

    Every kind is a Config with a field `kind` and offers the public members of the protocol. Where `kind` has a default
    in the first class, a table without it means that class. elsewhere: said where a kind is unknown, of kinds that have
    a configuration of their own.
    """

    def __init__(self, *built_in: type[Config], elsewhere: str = "") -> None:
        self.elsewhere = elsewhere
        self.classes = {kind: one for one in built_in for kind in get_args(one.model_fields["kind"].annotation)}
        self.usual = built_in[0].model_fields["kind"].default
        self.members: set[str] = set()

    def __get_pydantic_core_schema__(self, protocol: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """The listed kinds as pydantic makes them, and one choice for all of a user's own."""
        self.members = {name for name in dir(protocol) if not name.startswith("_")}
        choices: dict[Any, core_schema.CoreSchema] = {
            kind: handler.generate_schema(one) for kind, one in self.classes.items()}
        choices["own"] = core_schema.with_info_plain_validator_function(self._own)
        return core_schema.tagged_union_schema(
            choices, self._choice, custom_error_type="kind",
            custom_error_message=f"kind must be one of {', '.join(self.classes)}, or module:Name of your own"
            f"{self.elsewhere and '; '}{self.elsewhere}",
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value, info: value.model_dump(mode=info.mode), info_arg=True))

    def _choice(self, value: Any) -> str | None:
        kind = value.get("kind", self.usual) if isinstance(value, dict) else getattr(value, "kind", None)
        return None if not isinstance(kind, str) else "own" if ":" in kind else kind

    def _own(self, value: Any, info: ValidationInfo) -> Config:
        """An instance as it is; a table as the class that it names reads it."""
        if not isinstance(value, dict):
            self._take(value.kind, type(value))
            return value
        kind, module = value["kind"], value["kind"].partition(":")[0]
        if kind not in _taken and not (info.context or {}).get(OWN_CODE) and module not in _plugins():
            raise InputError(source=f'kind "{kind}"', rule="code is imported for a configuration file that you give, "
                             f"and not for a checkpoint unless {PLUGINS} lists its module",
                             value=f"{PLUGINS} = {os.environ.get(PLUGINS, '')!r}",
                             remedy=f"If you trust that module: export {PLUGINS}={module}.")
        own = self._take(kind, _taken[kind][0] if kind in _taken else _imported(kind))
        if info.mode == "json":  # only as JSON, a strict reader takes an array for a tuple
            return own.model_validate_json(json.dumps(value), strict=True, context=info.context)
        return own.model_validate(value, context=info.context)

    def _take(self, kind: str, own: Any) -> type[Config]:
        """Keep a class under its name, if it is what the field needs."""
        module, _, name = kind.partition(":")
        fault = ""
        if not (isinstance(own, type) and issubclass(own, Config)):
            fault = "it is no Config"
        elif "kind" not in own.model_fields:
            fault = "it has no field `kind: str`"
        elif missing := self.members - set(dir(own)) - set(own.model_fields) | own.__abstractmethods__:
            fault = f"it lacks {', '.join(sorted(missing))}"
        elif getattr(sys.modules.get(module), name, None) is not own:
            fault = f"it is {own.__module__}:{own.__qualname__}"
        if fault:
            raise InputError(source=f'kind "{kind}"', value=fault, remedy="Correct the class, or its name.",
                             rule=f"must name a Config that offers kind, {', '.join(sorted(self.members))}")
        if kind not in _taken or _taken[kind][0] is not own:
            _taken[kind] = own, _sha256(own, kind)
        return own


def read_kind(kinds: Any, content: Any, *, source: object) -> Any:
    """What a stored table says, of the kinds that an annotation takes; a user's own only if it may be imported."""
    try:
        return TypeAdapter(kinds).validate_python(content)
    except ValidationError as error:
        raise_own(error, source)
        raise


def own_sources(config: Any) -> dict[str, str]:
    """{"module:Name": sha256 of the file that defines it} of every kind of a user's own in a configuration.

    A run counts these files among its inputs. Modules that such a file imports in turn are not looked at.
    """
    own, parts = {}, config if isinstance(config, list | tuple) else ()
    if isinstance(config, dict | Config):
        parts = dict(config).values()
        kind = getattr(config, "kind", None)
        own = {kind: _taken[kind][1]} if kind in _taken else {}
    for part in parts:
        own |= own_sources(part)
    return own


def _imported(kind: str) -> Any:
    """What a name stands for; the current directory counts among the places of modules, as the last of them."""
    module, _, name = kind.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    importlib.invalidate_caches()
    try:
        return getattr(importlib.import_module(module), name)
    except FAULTS_OF_CONTENT + (ImportError,) as error:
        missing = isinstance(error, AttributeError) and module in sys.modules
        raise InputError(source=f'kind "{kind}"', rule="must name a class in a module that can be imported from here",
                         value=f"no {name} in {sys.modules[module].__file__}" if missing else
                         f"{type(error).__name__}: {error}",
                         remedy="Correct the name, or run where the module lies.") from error


def _plugins() -> list[str]:
    return [name.strip() for name in os.environ.get(PLUGINS, "").split(",")]


def _sha256(own: type[Config], kind: str) -> str:
    try:
        return hashlib.sha256(Path(inspect.getfile(own)).read_bytes()).hexdigest()
    except (TypeError, OSError) as error:
        raise InputError(source=f'kind "{kind}"', rule="must be defined in a file, so that a run knows it again",
                         value=error, remedy="Move the class to a file of its own, and import it.") from error
