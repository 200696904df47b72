"""The checker of shapes finds what is wrong and nothing else, and no annotated shape escapes it."""

import inspect
import re
from importlib import import_module

import numpy as np
import pytest
import torch
from jaxtyping import Bool, Float, Int, jaxtyped
from torch import Tensor

from classifier.training.losses import Loss
from project import MODULES
from shapes import checked

WIDE = torch.zeros(3, 2)


@jaxtyped(typechecker=checked)
def first(x: Float[Tensor, "B K"], row: Int[Tensor, " B"] | None = None,
          pair: tuple[Bool[np.ndarray, " K"], int] | None = None, name: str = "",
          parts: list[Float[Tensor, " N"]] | None = None) -> Float[Tensor, " B"]:
    return x.flatten() if name == "flat" else x[:, 0]


@pytest.mark.parametrize("arguments", [
    {}, {"x": WIDE.double()}, {"row": torch.zeros(3, dtype=torch.int64)}, {"row": None}, {"name": 7},
    {"pair": (np.ones(2, bool), 1)}, {"parts": [WIDE[0], WIDE[1]]}])
def test_what_fits_passes_and_so_does_what_is_no_shape(arguments):
    assert first(**{"x": WIDE} | arguments).shape == (3,)


@pytest.mark.parametrize("arguments, named", [
    ({"x": WIDE[0]}, "x"), ({"x": WIDE.long()}, "x"), ({"x": WIDE.numpy()}, "x"),
    ({"row": torch.zeros(2, dtype=torch.int64)}, "row"), ({"pair": (np.ones(3, bool), 1)}, "pair"),
    ({"pair": (np.ones(2, bool),)}, "pair"), ({"parts": [WIDE[0], WIDE[:, 0]]}, "parts")])
def test_an_argument_that_does_not_fit_is_named(arguments, named):
    with pytest.raises(TypeError, match=rf"(?s)parameters of .*first.*\nThe problem arose whilst typechecking parameter"
                                        rf" '{named}'"):
        first(**{"x": WIDE} | arguments)


def test_a_result_that_does_not_fit_is_named():
    with pytest.raises(TypeError, match="the return value of .*first"):
        first(WIDE, name="flat")


def test_the_option_of_pytest_has_both_packages_checked(pytestconfig):
    assert hasattr(Loss.losses, "__wrapped__") == bool(pytestconfig.getoption("jaxtyping_packages"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_every_annotated_shape_can_be_read(name):
    """One that cannot, because a linter took its quotes or its library is not imported, would not be checked."""
    module = import_module(name)
    for thing in vars(module).values():
        for function in vars(thing).values() if inspect.isclass(thing) else [thing]:
            function = inspect.unwrap(getattr(function, "__func__", getattr(function, "fget", function)))
            if inspect.isfunction(function) and function.__module__ == name:
                for text in function.__annotations__.values():
                    if isinstance(text, str) and re.search(r"\b(Float|Int|Bool|Shaped|Complex)\[", text):
                        eval(text, vars(module))
