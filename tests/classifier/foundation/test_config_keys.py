from typing import Annotated, Literal

import pytest
from pydantic import Field

from classifier.foundation.config import Config, load_config, parse_config
from classifier.foundation.config_keys import REQUIRED, Key, keys_of, unit
from classifier.foundation.errors import InputError


class FirstLoss(Config):
    kind: Literal["first"]
    gamma: Annotated[float, Field(ge=0, lt=9)] = 2.0


class SecondLoss(Config):
    kind: Literal["second"]


class Whole(Config):
    images: int
    beam_energy_kev: Annotated[float, Field(gt=0)] | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    groups: tuple[Annotated[int, Field(ge=1, le=230)], ...] = (1, 2)
    loss: Annotated[FirstLoss | SecondLoss, Field(discriminator="kind")] = FirstLoss(kind="first")


RIGHT = {"images": 3}


def test_every_key_is_told_with_default_bounds_and_unit():
    assert list(keys_of(Whole)) == [
        Key("images", REQUIRED, "whole number", "images"),
        Key("beam_energy_kev", "(absent)", "number, above 0", "keV"),
        Key("precision", '"fp32"', '"fp32", "bf16"', ""),
        Key("groups", "[1, 2]", "list of whole number, at least 1, at most 230", ""),
        Key("loss", "(its defaults)", "a table of one of these kinds", ""),
        Key("loss (first).kind", REQUIRED, '"first"', ""),
        Key("loss (first).gamma", "2.0", "number, at least 0, below 9", ""),
        Key("loss (second).kind", REQUIRED, '"second"', "")]


@pytest.mark.parametrize("name, stated", [("shift_angstrom", "angstrom"), ("reach_inv_angstrom", "1/angstrom"),
                                          ("debye_waller_angstrom2", "angstrom^2"), ("seed", "")])
def test_the_longest_ending_tells_the_unit(name, stated):
    assert unit(name) == stated


@pytest.mark.parametrize("change, said", [
    ({"imagse": 4}, "`imagse` is no key here, did you mean `images`?"),
    ({"colour": 4}, "`colour` is no key here, there are images, beam_energy_kev, precision, groups, loss"),
    ({"images": "3"}, "`images` must be a whole number (found '3')"),
    ({"precision": "bf61"}, "`precision` must be 'fp32' or 'bf16', did you mean 'bf16'? (found 'bf61')"),
    ({"beam_energy_kev": 0}, "`beam_energy_kev` must be above 0.0 (found 0)"),
    ({"groups": [1, 300]}, "`groups.1` must be at most 230 (found 300)"),
    ({"loss": {"kind": "first", "gama": 1.0}}, "`loss.gama` is no key here, did you mean `gamma`?"),
    ({"loss": {"kind": "third"}}, "`loss` its 'kind' must be one of 'first', 'second' (found {'kind': 'third'})"),
    ({"loss": {"gamma": 1.0}}, "`loss` needs the key 'kind' (found {'gamma': 1.0})"),
    ({"loss": 3}, "`loss` must be a table (found 3)")])
def test_a_fault_is_told_in_our_words(change, said):
    with pytest.raises(InputError) as fault:
        parse_config(RIGHT | change, Whole, source="whole.toml")
    assert fault.value.value == said and "pydantic" not in str(fault.value)


def test_changes_take_the_place_of_what_the_file_says(tmp_path):
    path = tmp_path / "whole.toml"
    path.write_text('images = 3\n[loss]\nkind = "first"\ngamma = 1.0\n')
    read = load_config(path, Whole, ["images=5", "loss.gamma = 0.5", "precision=bf16", "groups=[7]"])
    assert read == Whole(images=5, loss=FirstLoss(kind="first", gamma=0.5), precision="bf16", groups=(7,))
    with pytest.raises(InputError, match="with images=x: its keys"):
        load_config(path, Whole, ["images=x"])
    for wrong in ("images", "=3", "images.more=3"):
        with pytest.raises(InputError, match="must be KEY=VALUE"):
            load_config(path, Whole, [wrong])
