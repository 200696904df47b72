"""HTML pages from templates, without any outside resource; numbers are written as in `wording`."""

from __future__ import annotations

from typing import Any

import jinja2

from cbedgan.comparison import wording


def page(package: str, template: str, **content: Any) -> str:
    """Fill a template that lies in a package's folder."""
    environment = jinja2.Environment(loader=jinja2.PackageLoader(package, "."), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"points": wording.points, "percent": wording.percent}
    return environment.get_template(template).render(**content)
