"""The type checker of `pytest --jaxtyping-packages=classifier,cbedgan,shapes.checked`: it looks at shapes alone.

Other annotations are pyright's; tests may hand in doubles.
"""

import functools
import inspect
from collections.abc import Callable
from types import UnionType
from typing import Any, Union, get_args, get_origin

from jaxtyping import AbstractArray


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that a TypeError names the first argument or result whose shape is not as annotated."""
    signature = inspect.signature(function)
    parameters = {name: parameter.annotation for name, parameter in signature.parameters.items()
                  if mentions_shapes(parameter.annotation)}
    result = signature.return_annotation

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        for name, annotation in parameters.items():
            if name in bound.arguments and not fits(bound.arguments[name], annotation):
                raise TypeError(f"{name} is not {annotation}")
        out = function(*args, **kwargs)
        if mentions_shapes(result) and not fits(out, result):
            raise TypeError(f"the result is not {result}")
        return out

    return wrapped if parameters or mentions_shapes(result) else function


def mentions_shapes(annotation: Any) -> bool:
    """Whether an annotation is a shape, or holds one."""
    if inspect.isclass(annotation) and not get_origin(annotation):
        return issubclass(annotation, AbstractArray)
    return any(mentions_shapes(part) for part in get_args(annotation))


def fits(value: Any, annotation: Any) -> bool:
    """Whether a value has the annotated shape; of tuples and lists each entry, of unions any member."""
    origin, members = get_origin(annotation), get_args(annotation)
    if not mentions_shapes(annotation):
        return not inspect.isclass(annotation) or isinstance(value, annotation)
    if origin is None:
        return isinstance(value, annotation)
    if origin in (Union, UnionType):
        return any(fits(value, member) for member in members)
    if origin not in (tuple, list):
        return True
    if not isinstance(value, origin):
        return False
    if origin is tuple and members[-1] is not Ellipsis:
        return len(value) == len(members) and all(map(fits, value, members))
    return all(fits(entry, members[0]) for entry in value)
