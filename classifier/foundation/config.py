"""Configurations: strict TOML into frozen typed objects; an unknown key, a wrong type or a missing key is an error."""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from classifier.foundation.errors import InputError, reported


class Config(BaseModel):
    """Base of every configuration: complete, typed, frozen; nothing is converted behind the user's back."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


AnyConfig = TypeVar("AnyConfig", bound=Config)
# What pydantic calls a fault, in our words; {names} are those of its context.
WORDS = {"missing": "is missing", "extra_forbidden": "is no key here", "int_type": "must be a whole number",
         "int_from_float": "must be a whole number", "float_type": "must be a number",
         "finite_number": "must be a finite number", "bool_type": "must be true or false",
         "string_type": "must be text in quotes", "greater_than": "must be above {gt}",
         "greater_than_equal": "must be at least {ge}", "less_than": "must be below {lt}",
         "less_than_equal": "must be at most {le}", "literal_error": "must be {expected}",
         "union_tag_invalid": "its {discriminator} must be one of {expected_tags}",
         "union_tag_not_found": "needs the key {discriminator}", "tuple_type": "must be a list in brackets",
         "list_type": "must be a list in brackets", "dict_type": "must be a table", "model_type": "must be a table",
         "model_attributes_type": "must be a table", "too_short": "must have at least {min_length} entries",
         "too_long": "must have at most {max_length} entries", "string_too_short": "must not be empty"}
OWN_CODE = "own code"  # key of pydantic's context: whether kinds of a user's own may be imported, see registry


def added(default: Any) -> Any:
    """A field that configurations gained later: no dump names it at its default, so that older digests stay."""
    return Field(default, exclude_if=lambda value: value == default)


class Alternatives:
    """Base of an annotation that lists the classes that a field can hold, by their `kind` (see registry.Kinds)."""

    classes: dict[str, type[Config]]


def load_config(path: Path, model: type[AnyConfig], changes: Sequence[str] = ()) -> AnyConfig:
    """Read the TOML file at `path` into `model`, or raise one InputError that lists every faulty key.

    changes: texts "table.key=value", the value as TOML or as plain text, which take the place of what the file says.
    """
    path = Path(path)
    content = read_toml(path)
    for text in changes:
        _change(content, text)
    source = f"{path} with {', '.join(changes)}" if changes else path
    return parse_config(content, model, source=source, own_code=True)


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file; a missing or damaged one is an InputError."""
    path = Path(path)
    if not path.exists():
        raise InputError(source=path, rule="the configuration file must exist", value="no file",
                         remedy="Give the path of a TOML file, for instance one of configs/demo/.")
    with reported(path, rule="the configuration must be TOML", remedy="Correct that line."):
        return tomllib.loads(path.read_text(encoding="utf-8"))


def _change(content: dict[str, Any], text: str) -> None:
    """Set what "table.key=value" says in a configuration's content."""
    name, equals, written = text.partition("=")
    *tables, key = name.strip().split(".")
    try:
        value = tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:
        value = written.strip()
    for table in tables:
        content = content.setdefault(table, {}) if isinstance(content, dict) else content
    if not (equals and key and isinstance(content, dict)):
        raise InputError(source=f"--set {text}", rule="must be KEY=VALUE or TABLE.KEY=VALUE", value=text,
                         remedy="Give for instance --set seed=1, or --set train.batch=32.")
    content[key] = value


def load_configs(folder: Path, model: type[AnyConfig], *, kind: str, like: str) -> dict[str, AnyConfig]:
    """Read every *.toml of a folder: {file name without its ending: configuration}, in the order of names.

    Parameters
    ----------
    folder, model : of the files, and of each
    kind, like : what the files are, and a folder of such, for the InputError where there is none
    """
    folder = Path(folder)
    paths = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    if not paths:
        raise InputError(source=folder, rule=f"must be a folder of {kind}, one .toml file each", value="none there",
                         remedy=f"Give a folder like {like}.")
    return {path.stem: load_config(path, model) for path in paths}


def parse_config(content: dict[str, Any], model: type[AnyConfig], *, source: object,
                 own_code: bool = False) -> AnyConfig:
    """Build `model` from a dictionary, or raise one InputError that lists every faulty key.

    Parameters
    ----------
    content, model : keys and values, and the configuration
    source : named in the InputError
    own_code : whether kinds of the user's own are imported, as for a file that the user gives
    """
    try:
        # The JSON reader's strict mode refuses "3" for 3 and yet takes a TOML array for a tuple.
        return model.model_validate_json(json.dumps(content, default=str), strict=True, context={OWN_CODE: own_code})
    except ValidationError as error:
        raise_own(error, source)
        told = "; ".join(_told(fault, model) for fault in error.errors(include_url=False))
        raise InputError(source=source, rule="its keys must be complete, known and of the right type",
                         value=told, remedy=f"Its keys are: {', '.join(model.model_fields)}.") from None


def configs_in(annotation: Any) -> Iterator[type[Config]]:
    """The configuration classes that an annotation, or a note beside one, lets a field hold."""
    if isinstance(annotation, Alternatives):
        yield from annotation.classes.values()
    elif isinstance(annotation, type) and issubclass(annotation, Config):
        yield annotation
    else:
        for part in get_args(annotation):
            yield from configs_in(part)


def configs_of(model: type[Config], key: str) -> list[type[Config]]:
    """The configuration classes that a key of `model` can hold; [] for a plain value."""
    field = model.model_fields[key]
    return [one for each in (field.annotation, *field.metadata) for one in configs_in(each)]


def _told(fault: Any, model: type[Config]) -> str:
    """One fault of pydantic's in our words, and for an unknown name which known one is like it."""
    classes: list[type[Config]] = [model]
    place: list[str] = []
    known: list[str] = []
    for step in fault["loc"]:
        holders = [one for one in classes if step in one.model_fields]
        tagged = [one for one in classes if step in _kinds_of(one)]
        if not holders and tagged:
            classes = tagged  # pydantic names the kind as a step of its own
            continue
        known = [name for one in classes for name in one.model_fields]
        place.append(str(step))
        if not isinstance(step, int):
            classes = [inner for one in holders for inner in configs_of(one, step)]
    kind, context = fault["type"], fault.get("ctx", {})
    words = WORDS[kind].format(**context) if kind in WORDS else str(context.get("error", fault["msg"]))
    if kind == "extra_forbidden":
        like = get_close_matches(place[-1], known, n=1)
        words += f", did you mean `{like[0]}`?" if like else f", there are {', '.join(known)}"
    elif kind == "literal_error" and isinstance(fault["input"], str):
        like = get_close_matches(fault["input"], context["expected"].replace(" or ", ", ").replace("'", "").split(", "),
                                 n=1)
        words += f", did you mean '{like[0]}'?" if like else ""
    found = "" if kind in ("missing", "extra_forbidden") else f" (found {fault['input']!r})"
    return f"`{'.'.join(place)}` {words}{found}"


def _kinds_of(model: type[Config]) -> tuple[Any, ...]:
    """The values of a class's `kind`, by which pydantic tells it from others; () where it has none."""
    tags = [model.model_fields[name] for name in ("kind", "pose") if name in model.model_fields]
    return tuple(value for tag in tags for value in get_args(tag.annotation))


def with_preset(content: Any, presets: Mapping[str, Mapping[str, Any]]) -> Any:
    """Content whose key preset is replaced by what that preset says, of which its other keys may differ.

    For a validator that comes before all others: a name that is none is a ValueError.
    """
    if not isinstance(content, dict) or "preset" not in content:
        return content
    if (name := content["preset"]) not in presets:
        raise ValueError(f"preset must be one of {', '.join(presets)}, not {name!r}")
    return dict(presets[name]) | {key: value for key, value in content.items() if key != "preset"}


def raise_own(error: ValidationError, source: object) -> None:
    """Raise the InputError of ours that is the only fault behind a ValidationError, if it is one."""
    first, *others = error.errors(include_url=False)
    own = first.get("ctx", {}).get("error")
    if not others and isinstance(own, InputError):
        raise InputError(source=f"{source}, {own.source}", rule=own.rule, value=own.value, remedy=own.remedy) from None


def digest(content: Any) -> str:
    """Return the sha256 (hex) of a Config or of plain dictionaries, lists, numbers and strings, free of key order."""
    plain = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
