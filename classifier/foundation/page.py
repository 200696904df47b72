"""HTML pages from templates, without any outside resource, and how numbers are written there and in tables of text."""

import base64
import io
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from rich.console import Console

MINUS = "−"


def page(package: str, template: str, *, unknown: str = "n/a", filters: Mapping[str, Callable[..., Any]] | None = None,
         **content: Any) -> str:
    """Fill a template that lies in a package's folder; a name that the template asks for in vain is an error.

    Parameters
    ----------
    package, template : dotted name, and file name
    unknown : what stands for a number that is undefined
    filters, content : of this page, beside those below; names that the template knows
    """
    environment = jinja2.Environment(loader=jinja2.PackageLoader(package, "."), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    numbers = {write.__name__: partial(write, unknown=unknown) for write in (percent, points, times, number)}
    environment.filters |= {**numbers, "png": png, **(filters or {})}
    return environment.get_template(template).render(**content)


def percent(share: float | None, unknown: str = "n/a") -> str:
    """A share as a percentage, e.g. "37.0"."""
    return unknown if share is None else f"{100 * share:.1f}"


def points(difference: float | None, unknown: str = "n/a") -> str:
    """A difference of shares as signed percentage points, e.g. "+6.3"."""
    # Adding zero turns a rounded -0.0 into 0.0.
    return unknown if difference is None else f"{round(100 * difference, 1) + 0.0:+.1f}".replace("-", MINUS)


def times(factor: float | None, unknown: str = "n/a") -> str:
    """A factor, e.g. "3.14"."""
    return unknown if factor is None else f"{factor:.2f}"


def number(value: float | None, unknown: str = "n/a") -> str:
    """Three digits that count, e.g. "0.0123"; NaN is undefined too."""
    return unknown if value is None or value != value else f"{value:.3g}".replace("-", MINUS)


def plain_text(*parts: Any) -> str:
    """What rich would print, as text without a terminal's width or colours."""
    text = io.StringIO()
    Console(file=text, width=400, color_system=None).print(*parts, sep="\n")
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def png(picture: bytes | Path) -> str:
    """A picture, or the file that holds one, as the base64 text of a data URL."""
    return base64.b64encode(picture if isinstance(picture, bytes) else picture.read_bytes()).decode("ascii")
