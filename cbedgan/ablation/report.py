"""The report of an ablation: its content as JSON, one HTML page, and the table in plain text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from cbedgan.ablation.figures import FIGURES, FigureName, reached
from cbedgan.ablation.variants import VariantConfig
from cbedgan.ablation.verdicts import AblationVerdicts, Values, differences, means
from classifier.foundation.atomic import write_json, write_text
from classifier.foundation.page import MINUS, page, plain_text


def write_report(content: dict[str, Any], out: Path) -> Path:
    """Write out/report.json, ablation.txt and report.html; return the path of the latter."""
    text = page("cbedgan.ablation", "report.html.j2", report=content, figures=FIGURES, heading=heading,
                reached=reached, written=written, differences=_by_variant(content))
    write_json(out / "report.json", content)
    write_text(out / "ablation.txt", plain_text(variant_table(content), "", difference_table(content)))
    return write_text(out / "report.html", text)


def content(values: Values, real: Mapping[FigureName, float | None], variants: Mapping[str, VariantConfig],
            judgement: AblationVerdicts, *, seeds: tuple[int, ...], provenance: dict[str, Any]) -> dict[str, Any]:
    """Everything that the report says, as JSON content, the best variant first; what cannot be measured is null.

    Parameters
    ----------
    values : figures of each variant and seed
    real : figures of real stacks in place of generated ones
    variants : by name
    judgement : how they are compared
    seeds : of the trainings
    provenance : of the run
    """
    figures, first = means(values, judgement.alpha), judgement.judged[0]
    sign = -1 if FIGURES[first].larger_is_better else 1

    def place(name: str) -> tuple[bool, float]:
        estimate = figures[name][first]["estimate"]
        return estimate is None, sign * (estimate or 0.0)

    return {"reference": judgement.reference, "judged": list(judgement.judged), "alpha": judgement.alpha,
            "seeds": list(seeds), "real": dict(real),
            "equal_budget": len({variant.train.images for variant in variants.values()}) == 1,
            "variants": [{"name": name, "label": variants[name].label, "changes": variants[name].changes,
                          "config": variants[name].train.model_dump(mode="json"), "figures": figures[name]}
                         for name in sorted(figures, key=place)],
            "differences": differences(values, judgement), "provenance": provenance}


def variant_table(report: dict[str, Any]) -> Table:
    """Mean and interval of every figure of every variant; figures that reach their goal are starred."""
    table = _table(f"{len(report['seeds'])} seeds, means with {100 * (1 - report['alpha']):g} % intervals; "
                   "*: the goal is reached", [heading(name) for name in FIGURES])
    for variant in report["variants"]:
        figures = variant["figures"]
        table.add_row(variant["label"], *(
            f"{'*' if reached(name, figures[name]['estimate']) else ''}{with_ends(name, figures[name])}"
            for name in FIGURES), variant["changes"])
    table.add_row("real stacks in their place", *(written(name, report["real"][name]) for name in FIGURES))
    return table


def difference_table(report: dict[str, Any]) -> Table:
    """Every variant minus the reference in every figure, with intervals and, where judged, verdicts."""
    rows = _by_variant(report)
    table = _table(f"minus {report['reference']}, paired by seed; verdicts are one family at {100 * report['alpha']:g} "
                   "% (Holm)", [figure.label for figure in FIGURES.values()])
    for variant in report["variants"]:
        if variant["name"] != report["reference"]:
            differences = [rows[variant["name"], name] for name in FIGURES]
            table.add_row(variant["label"], *(f"{with_ends(row['figure'], row, '+')} {row['verdict'] or ''}".rstrip()
                                              for row in differences), variant["changes"])
    return table


def heading(name: FigureName) -> str:
    """Label and goal of a figure, e.g. "AUC (≤ 0.75)"."""
    figure = FIGURES[name]
    return figure.label if figure.goal is None else (
        f"{figure.label} ({'≥' if figure.larger_is_better else '≤'} {figure.goal:g})")


def with_ends(name: FigureName, mean: dict[str, Any], sign: str = "") -> str:
    """A mean and, where there is one, its interval."""
    ends = "" if mean["low"] is None else (
        f" ({written(name, mean['low'], sign)} to {written(name, mean['high'], sign)})")
    return written(name, mean["estimate"], sign) + ends


def written(name: FigureName, value: float | None, sign: str = "") -> str:
    """A figure with its digits; n/a for what could not be measured."""
    if value is None:
        return "n/a"
    rounded = round(value, FIGURES[name].digits) + 0.0  # turns -0.0 into 0.0
    return f"{rounded:{sign}.{FIGURES[name].digits}f}".replace("-", MINUS)


def _by_variant(report: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["variant"], row["figure"]): row for row in report["differences"]}


def _table(title: str, columns: list[str]) -> Table:
    table = Table(title=title, box=None, title_justify="left", pad_edge=False)
    table.add_column("variant", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("changes", no_wrap=True)
    return table
