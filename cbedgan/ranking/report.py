"""The report of a ranking: its content as JSON, one HTML file with its pictures inside, and a table in plain text."""

from pathlib import Path
from typing import Any, get_args

from rich.table import Table

from cbedgan.comparison.figures import VERDICT_COLOURS
from cbedgan.comparison.wording import spread
from cbedgan.ranking import figures as ranking_figures
from cbedgan.ranking.scores import Ranking
from classifier.foundation.atomic import write_json, write_text
from classifier.foundation.page import page, percent, plain_text, points, times
from classifier.pattern.condition import Condition
from classifier.samples.sampletable import DERIVATIONS

SCORE_NAMES = {"balanced_accuracy": "balanced accuracy", "few_recall": "few", "medium_recall": "medium",
               "many_recall": "many", "top_1": "top-1", "top_6": "top-6", "macro_f1": "macro-F1",
               "calibration_error": "ECE", "scaled_calibration_error": "ECE scaled",
               "direct_edge_enrichment": "direct edges"}
BESIDE = (*DERIVATIONS[1:], *get_args(Condition))  # of what columns may stand beside the ranking, in this order
PERCENT = set(SCORE_NAMES) - {"direct_edge_enrichment"}


def write_ranking(ranking: Ranking, rows: dict[str, dict[str, Any]], *, provenance: dict[str, Any], out: Path) -> Path:
    """Write out/report.json, ranking.txt and report.html; return the path of the latter.

    Parameters
    ----------
    ranking : of the methods
    rows : {method: label, paper, images, ensemble, chosen, config, beside: {condition: {score: mean}}}
    provenance : of the run
    out : its folder
    """
    report = content(ranking, rows, provenance)
    text = page("cbedgan.ranking", "report.html.j2", report=report, names=SCORE_NAMES, colours=VERDICT_COLOURS,
                written=written, other_columns=other_columns(report), pictures={"shots": ranking_figures.shots(report),
                                           "differences": ranking_figures.differences(report)})
    write_json(out / "report.json", report)
    write_text(out / "ranking.txt", plain_text(ranking_table(report), report["headline"]))
    return write_text(out / "report.html", text)


def content(ranking: Ranking, rows: dict[str, dict[str, Any]], provenance: dict[str, Any]) -> dict[str, Any]:
    """Everything that the report says, as JSON content, the best method first; what cannot be computed is null."""
    config, judged = ranking.config, [score for score in ranking.config.judged if ranking.has(score)]
    methods = [{"name": name, **row, "scores": ranking.scores(name)} for name, row in rows.items()]
    methods.sort(key=lambda method: -(method["scores"][judged[0]]["estimate"] or 0))
    differences = ranking.differences()
    single = [method["name"] for method in methods
              if method["ensemble"] is None and method["config"] and method["name"] != config.reference]
    best = [row for name in single[:1] for row in differences if row["method"] == name]
    labels = {name: row["label"] for name, row in rows.items()}
    return {"headline": headline(best, labels, config.reference), "reference": config.reference, "judged": judged,
            "condition": provenance["config"].get("condition", "ideal"),
            "beside": [name for name in BESIDE if any(name in row.get("beside", {}) for row in rows.values())],
            "methods": methods, "differences": differences, "seeds": ranking.seeds,
            "test": {"samples": len(ranking.trials.class_idx), "units": ranking.trials.n_units,
                     "groups": int(ranking.tested.sum())},
            "equal_budget": len({row["images"] for row in rows.values() if row["images"]}) == 1,
            "provenance": provenance}


def headline(best: list[dict[str, Any]], labels: dict[str, str], reference: str) -> str:
    """Say what the best single method changes against the reference; best: its differences."""
    if not best:
        return f"No single method beside {labels[reference]}."
    changes = "; ".join(f"{SCORE_NAMES[row['score']]} {points(row['estimate'])} points ({spread(row['corrected'])}, "
                        f"{row['verdict']})" for row in best)
    return f"Best single method by {SCORE_NAMES[best[0]['score']]}: {labels[best[0]['method']]}. {changes}."


def written(score: str, value: float | None) -> str:
    """A score as it stands in tables: a percentage, or a ratio."""
    return percent(value) if score in PERCENT else times(value)


def other_columns(report: dict[str, Any]) -> list[tuple[str, str]]:
    """(name, score) of the columns that say how the methods do on real-derived and on random crystals apart, and under
    conditions that they are not ranked under."""
    return [(name, score) for name in report["beside"] for score in ("balanced_accuracy", "few_recall")]


def ranking_table(report: dict[str, Any]) -> Table:
    """Every method's row with intervals and verdicts, for a terminal."""
    scores = [name for name in SCORE_NAMES if name in report["methods"][0]["scores"]]
    level = 100 * (1 - report["provenance"]["config"]["judgement"]["alpha"])
    table = Table(title=f"{report['test']['samples']} test stacks of {report['test']['groups']} groups, "
                  f"{report['seeds']} seeds, {report['condition']}; "
                  f"percent with {level:g} % intervals", box=None, title_justify="left")
    table.add_column("method", no_wrap=True)
    for name in scores:
        table.add_column(SCORE_NAMES[name], justify="right", no_wrap=True)
    for name, score in other_columns(report):
        table.add_column(f"{SCORE_NAMES[score]}, {name}", justify="right", no_wrap=True)
    table.add_column(f"against {report['reference']}: {', '.join(SCORE_NAMES[name] for name in report['judged'])}",
                     no_wrap=True)
    verdicts = {method["name"]: [] for method in report["methods"]}
    for row in report["differences"]:
        verdicts[row["method"]].append(f"{points(row['estimate'])} {row['verdict']}")
    for method in report["methods"]:
        cells = ["{} ({}–{})".format(*(written(name, method["scores"][name][end])
                                       for end in ("estimate", "low", "high")))
                 for name in scores]
        cells += [percent(method.get("beside", {}).get(name, {}).get(score)) for name, score in other_columns(report)]
        table.add_row(method["label"], *cells, ", ".join(verdicts[method["name"]]) or "reference")
    return table
