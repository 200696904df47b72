"""Configurations: strict TOML into frozen typed objects; an unknown key, a wrong type or a missing key is an error."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from classifier.foundation.errors import InputError, reported


class Config(BaseModel):
    """Base of every configuration: complete, typed, frozen; nothing is converted behind the user's back."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


AnyConfig = TypeVar("AnyConfig", bound=Config)
OWN_CODE = "own code"  # key of pydantic's context: whether kinds of a user's own may be imported, see registry


def added(default: Any) -> Any:
    """A field that configurations gained later: no dump names it at its default, so that older digests stay."""
    return Field(default, exclude_if=lambda value: value == default)


def load_config(path: Path, model: type[AnyConfig]) -> AnyConfig:
    """Read the TOML file at `path` into `model`, or raise one InputError that lists every faulty key."""
    path = Path(path)
    if not path.exists():
        raise InputError(source=path, rule="the configuration file must exist", value="no file",
                         remedy="Give the path of a TOML file, for instance one of configs/demo/.")
    with reported(path, rule="the configuration must be TOML", remedy="Correct that line."):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    return parse_config(content, model, source=path, own_code=True)


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
        faults = error.errors(include_url=False)
        told = "; ".join(f"`{'.'.join(map(str, fault['loc']))}`: {fault['msg']}"
                          + ("" if fault["type"] == "missing" else f" (got {fault['input']!r})") for fault in faults)
        raise InputError(source=source, rule=f"the keys of {model.__name__} must be complete and of the right type",
                         value=told, remedy=f"Its keys are: {', '.join(model.model_fields)}.") from None


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
