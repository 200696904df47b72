"""The keys of a configuration as a table tells them: name, default, what is allowed, the unit in the name."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from classifier.foundation.config import Config, configs_of

# Endings of names and the units that they state; the longest that fits counts.
UNITS = {"_angstrom": "angstrom", "_inv_angstrom": "1/angstrom", "_angstrom2": "angstrom^2", "_kev": "keV",
         "_mrad": "mrad", "_degree": "degrees", "_degrees": "degrees", "_pixels": "pixels", "_images": "images",
         "_kelvin": "kelvin", "_share": "share of 1", "_fraction": "share of 1", "_seconds": "seconds",
         "_minutes": "minutes", "_megabytes": "megabytes", "electrons": "electrons", "threads": "threads",
         "images": "images"}
REQUIRED = "(required)"


class Key(NamedTuple):
    """One key: its name with those of its tables before it, default as TOML, what is allowed, unit."""

    name: str
    default: str
    allowed: str
    unit: str


def keys_of(model: type[Config], before: str = "") -> Iterator[Key]:
    """Every key of a configuration, those of its tables after the table's; before: the names of its tables.

    A table of several kinds is told once for each: `loss (focal).gamma`.
    """
    for name, field in model.model_fields.items():
        inner = configs_of(model, name)
        several = "[]" if inner and _many(field.annotation) else ""
        place = f"{before}{name}{several}"
        if not inner:
            yield Key(place, _default(field), allowed(field), unit(name))
            continue
        yield Key(place, _default(field), "tables" if several else "a table" if len(inner) == 1 else
                  "a table of one of these kinds", "")
        for one in inner:
            yield from keys_of(one, f"{place}{'' if len(inner) == 1 else f' ({_kind(one)})'}.")


def unit(name: str) -> str:
    """The unit that a name states, "" where it states none."""
    fitting = [ending for ending in UNITS if name.endswith(ending)]
    return UNITS[max(fitting, key=len)] if fitting else ""


def allowed(field: FieldInfo) -> str:
    """What a key may hold, in words: type, choices, bounds."""
    return _words(field.annotation, field.metadata)


def _words(annotation: Any, metadata: Any = ()) -> str:
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        said = ", ".join(json.dumps(value) for value in arguments)
    elif annotation in (int, float, str, bool):
        said = {int: "whole number", float: "number", str: "text", bool: "true or false"}[annotation]
    elif get_origin(annotation) in (tuple, list):
        said = "list of " + " and ".join(dict.fromkeys(_words(one) for one in arguments if one is not ...))
    elif get_origin(annotation) is dict:
        said = f"table: {_words(arguments[0])} = {_words(arguments[1])}"
    elif get_origin(annotation) is Annotated:
        said = _words(arguments[0], arguments[1:])
    elif arguments:
        said = " or ".join(dict.fromkeys(_words(one) for one in arguments if one is not type(None)))
    else:
        said = getattr(annotation, "__name__", str(annotation))
    return said + "".join(_bound(one) for one in metadata)


def _bound(note: Any) -> str:
    notes = note.metadata if isinstance(note, FieldInfo) else [note]
    bounds = ((annotated_types.Ge, "ge", "at least"), (annotated_types.Gt, "gt", "above"),
              (annotated_types.Le, "le", "at most"), (annotated_types.Lt, "lt", "below"))
    return "".join(f", {words} {getattr(one, name):g}" for one in notes for kind, name, words in bounds
                   if isinstance(one, kind))


def _many(annotation: Any) -> bool:
    return get_origin(annotation) in (tuple, list) or any(
        get_origin(part) in (tuple, list) for part in get_args(annotation))


def _kind(model: type[Config]) -> str:
    field = model.model_fields.get("kind") or model.model_fields.get("pose")
    return "|".join(map(str, get_args(field.annotation))) if field else model.__name__


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return REQUIRED
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "(absent)"
    if isinstance(value, BaseModel):
        return "(its defaults)"
    return json.dumps(value, default=str)
