"""Kinds of a user's own: found, checked, told apart by their file, and never imported for a checkpoint unasked."""

import hashlib
import json
import sys
from typing import Annotated, Literal, Protocol

import pytest
from pydantic import ValidationError

from classifier.foundation.config import Config, digest, load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.foundation.registry import PLUGINS, Kinds, own_sources


class Shape(Protocol):
    """What every shape offers."""

    @property
    def sides(self) -> int: ...

    def area(self) -> float: ...


class Square(Config):
    kind: Literal["square"] = "square"
    side: float
    sides: int = 4

    def area(self) -> float:
        return self.side**2


class Drawing(Config):
    shape: Annotated[Shape, Kinds(Square)]
    others: tuple[Annotated[Shape, Kinds(Square)], ...] = ()


CIRCLE = """
from classifier.foundation.config import Config
class Circle(Config):
    kind: str
    radii: tuple[float, ...]
    sides: int = 0
    def area(self):
        return 3.0 * self.radii[0] ** 2
class Bare(Config):
    kind: str
class Nameless(Config):
    radius: float = 1.0
NUMBER = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with a module of the user's own, where he works; its name occurs once in a session."""
    name = f"shapes_{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:8]}"
    (tmp_path / f"{name}.py").write_text(CIRCLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


def drawing(kind: str, **fields) -> dict:
    return {"shape": {"kind": kind, **fields}}


def test_a_file_of_the_user_may_name_his_class_and_the_config_goes_round(own, tmp_path):
    (tmp_path / "drawing.toml").write_text(f'[shape]\nkind = "{own}:Circle"\nradii = [2]\n')
    config = load_config(tmp_path / "drawing.toml", Drawing)
    assert config.shape.area() == 12 and type(config.shape).__name__ == "Circle"
    assert config.model_dump(mode="json") == {
        "shape": {"kind": f"{own}:Circle", "radii": [2.0], "sides": 0}, "others": []}
    for again in (parse_config(config.model_dump(mode="json"), Drawing, source="test"),
                  Drawing.model_validate_json(config.model_dump_json()), Drawing(shape=config.shape)):
        assert again == config and digest(again) == digest(config)
    other = parse_config(drawing(f"{own}:Circle", radii=[3]), Drawing, source="test")
    assert digest(other) != digest(config)
    with pytest.raises(InputError, match="`shape.own.radii.0`"):
        parse_config(drawing(f"{own}:Circle", radii=["3"]), Drawing, source="test")


def test_a_built_in_kind_is_told_by_its_name_or_is_the_usual_one():
    for fields in ({"side": 2.0}, {"side": 2.0, "kind": "square"}):
        config = parse_config({"shape": fields, "others": [fields]}, Drawing, source="test")
        assert config.shape == config.others[0] == Square(side=2.0)
    with pytest.raises(InputError, match="kind must be one of square, or module:Name"):
        parse_config(drawing("round"), Drawing, source="test")


@pytest.mark.parametrize("name, told", [
    ("no_such_module_anywhere:Circle", "No module named 'no_such_module_anywhere'"), ("{own}:Ring", "no Ring in"),
    ("{own}:NUMBER", "it is no Config"), ("{own}:Bare", "it lacks area, sides"), ("{own}:Nameless", "no field `kind"),
    ("os:system", "it is no Config"), (":Circle", "ValueError"), ("{own}:", "no  in")])
def test_a_faulty_name_is_refused_in_one_line(own, name, told):
    kind = name.format(own=own)
    with pytest.raises(InputError) as caught:
        parse_config(drawing(kind), Drawing, source="drawing.toml", own_code=True)
    assert str(caught.value).startswith(f'drawing.toml, kind "{kind}": must name a ') and told in str(caught.value)


def test_a_module_that_fails_says_why(own, tmp_path):
    (tmp_path / f"{own}.py").write_text("1 / 0")
    with pytest.raises(InputError, match="ZeroDivisionError"):
        parse_config(drawing(f"{own}:Circle"), Drawing, source="test", own_code=True)


def test_what_is_stored_imports_nothing_unless_the_user_lists_the_module(own, tmp_path, monkeypatch):
    (tmp_path / f"{own}.py").write_text(f"import pathlib\npathlib.Path('imported').touch()\n{CIRCLE}")
    stored = drawing(f"{own}:Circle", radii=[1])
    for listed in ("", "os", f"{own}s"):
        monkeypatch.setenv(PLUGINS, listed)
        with pytest.raises(InputError, match=f"export {PLUGINS}={own}"):
            parse_config(stored, Drawing, source="test")
        with pytest.raises(ValidationError):
            Drawing.model_validate(stored)
        with pytest.raises(ValidationError):
            Drawing.model_validate_json(json.dumps(stored))
    assert not (tmp_path / "imported").exists() and own not in sys.modules
    monkeypatch.setenv(PLUGINS, f"other, {own}")
    assert parse_config(stored, Drawing, source="test").shape.area() == 3
    monkeypatch.delenv(PLUGINS)
    assert parse_config(stored, Drawing, source="test").shape.area() == 3  # this process has taken it


def test_the_file_of_an_own_kind_is_known_by_its_digest(own, tmp_path):
    circle = parse_config(drawing(f"{own}:Circle", radii=[1]), Drawing, source="test", own_code=True).shape
    sha = hashlib.sha256((tmp_path / f"{own}.py").read_bytes()).hexdigest()
    assert own_sources(Drawing(shape=Square(side=1.0), others=(circle,))) == {f"{own}:Circle": sha}
    assert own_sources(Drawing(shape=Square(side=1.0))) == {}
