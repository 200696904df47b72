"""The report of distortions: its content as JSON, a table of text, and one HTML page."""

from pathlib import Path
from typing import Any

from rich.table import Table

from cbedgan.distortion.report.tables import SEEN, tables
from cbedgan.distortion.report.words import BEYOND, between_groups, bounds, crossed_arcs
from classifier.foundation.atomic import plain, write_json, write_text
from classifier.foundation.page import page, percent, plain_text, times


def write_report(content: dict[str, Any], out: Path) -> Path:
    """Write report.json, report.txt and report.html of what paths.json holds; return the path of the latter."""
    found = plain(tables(content))
    config = content["provenance"]["config"]
    write_json(out / "report.json", {**found, "provenance": content["provenance"]})
    write_text(out / "report.txt", as_text(found, content["paths_per_second"]))
    return write_text(out / "report.html", page(
        "cbedgan.distortion.report", "report.html.j2", unknown=BEYOND, filters={
            "bounds": bounds, "between_groups": between_groups, "crossed_arcs": crossed_arcs}, found=found,
        strips=[{**strip, "path": content["paths"][strip["number"]], "picture": out / "strips" / strip["png"]}
                for strip in content.get("strips", ())],
        config=config, arms=list(content["arms"]), speed=content["paths_per_second"]))


def as_text(found: dict[str, Any], paths_per_second: float) -> str:
    """The same tables as text."""
    parts: list[Any] = []
    named = [(name, row) for name, row in found["whole"].items()]
    named += [(f"{row['space_group']} -> {row['subgroup']}", row) for row in found["pairs"]]
    table = Table(*("pair", "paths", "crystals", *SEEN, "arm", "t* (95 %)", "t*/t_data", "denied at 0, %",
                    "never, %", "crossed, %", "named G, H, %"),
                  title=f"Distortion in angstrom; t* in {found['patterns']}, logits of "
                        f"{found['draws']} copies averaged")
    for name, row in named:
        for rank, (arm, own) in enumerate(row["arms"].items()):
            lead = [name, str(row["paths"]), str(row["crystals"]), *(bounds(row[key]) for key in SEEN)]
            table.add_row(*(lead if rank == 0 else [""] * len(lead)), arm, bounds(own["t_star"]),
                          bounds(own["over_t_data"]),
                          *(percent(own[key]) for key in ("denied", "never", "crossed", "named")))
    parts.append(table)
    for name, rows in found["compared"].items():
        parts += [f"{name}: t* of {row['arm']} over that of {row['reference']} {bounds(row['ratio'])}; "
                  f"{bounds(row['medians'][1])} and {bounds(row['medians'][0])} on {row['paths']} common paths"
                  for row in rows]
    if found["engines"] is not None:
        quartiles = found["engines"]["ratio"]
        parts.append(f"by the exact engine: {percent(found['engines']['transferred'])} % of "
                     f"{found['engines']['asked']} thresholds are there too; ratio of t*, quartiles "
                     f"{', '.join(map(times, quartiles)) if quartiles else 'n/a'}")
    parts.append(f"|p_a - p_b| <= 1e-3 of their sum at {percent(found['within_tolerance'])} % of crossings; "
                 f"{paths_per_second:.2f} paths/s")
    if found["between"] is not None:
        parts += [between_groups(found["between"]), *(
            f"{row['symbols'][0]} to {row['symbols'][1]}, {row['arcs']} paths, {arm}: {crossed_arcs(own)}"
            for row in found["between"]["pairs"] for arm, own in zip(found["whole"]["all pairs"]["arms"], row["arms"],
                                                                      strict=True))]
    sentences = [f"{row['space_group']} -> {row['subgroup']}: {row['text']}\n" for row in found["pairs"]]
    return "".join([plain_text(*parts), *sentences])
