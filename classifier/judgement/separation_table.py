"""What the errors say, as a table for the terminal."""

from collections.abc import Callable
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from classifier.foundation.page import percent, points, times


def separation_table(content: dict[str, Any]) -> Group:
    """One line for each of SEPARATIONS of a judgement's JSON content, before and now where both are in it."""
    rows = content["separations"]
    several = [when for when in ("before", "now") if when in rows[0]]
    is_compared = len(several) == 2
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("separated by")
    for when in several:
        table.add_column(f"{when}:\nof all" if is_compared else "of all", justify="right")
        table.add_column("of errors\n(chance)" if is_compared else "of errors (chance)", justify="right")
    table.add_column("change" if is_compared else "times chance", justify="right")
    for row in rows:
        table.add_row(row["label"], *(cell for when in several for cell in _cells(row[when])),
                      _with_ends(row["change"], points) if is_compared else _with_ends(row["now"]["enrichment"], times))
    lines = ["Percent of all materials, and of the errors; intervals are 95 %."]
    for name, key, value in (("Errors between direct group-subgroup neighbours, times chance", "neighbours_confused",
                              "direct_edge_enrichment"),
                             ("Rank correlation of recall and training materials", "recall_by_training_materials",
                              "rho")):
        if content[key]:
            lines.append(f"{name}: " + "; ".join(
                f"{when + ' ' if is_compared else ''}{_with_ends(content[key][when][value], times)}"
                for when in several if when in content[key]))
    return Group(table, *map(Text, lines))


def _cells(found: dict[str, Any]) -> list[str]:
    share, chance = (percent(found[kind]["estimate"]) for kind in ("share", "share_by_chance"))
    return [percent(found["errors"]["estimate"]), f"{share} ({chance})"]


def _with_ends(found: dict[str, Any], write: Callable[[float | None], str]) -> str:
    return f"{write(found['estimate'])} ({write(found['low'])} to {write(found['high'])})"
