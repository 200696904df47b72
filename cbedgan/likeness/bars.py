"""What the project asks of a generator, figure by figure, and whether it is met."""

from typing import Any

KID_FLOORS = 2.0
LEAST_COVERAGE = 0.5
LARGEST_AUC = 0.75
LARGEST_SYMMETRY_RATIO = 1.25
LARGEST_COPIES = 0.01


def summary(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows {figure, value, real, at_most or at_least, met} of measured figures; None for what could not be had.

    real: the same figure of real stacks in place of generated ones. The floor of the KID is the 95th percentile over
    random halvings of the real stacks: its mean is zero, as the KID is unbiased.
    """
    many, few = (figures["shots"].get(name, {"generated": {}, "real": {}}) for name in ("many", "few"))
    floor = many["real"].get("kid_high")
    realness = figures.get("realness", {})
    real_view = realness.get("views", {}).get(realness.get("view"), {}).get("real") or {}
    collapsed = len(figures["spread"]["alarm"]) if figures["spread"]["ratio"] else None
    unseen = figures.get("unseen", {}).get("shots", {}).get("many")
    rows = [] if unseen is None else [
        _row("the same by judges that have not seen the real stacks", unseen["generated"]["kid"],
             unseen["real"]["kid_high"], at_most=KID_FLOORS * unseen["real"]["kid_high"])]
    return [
        _row("KID of groups with many materials", many["generated"].get("kid"), floor,
             at_most=None if floor is None else KID_FLOORS * floor),
        *rows,
        _row("coverage of groups with few materials", few["generated"].get("coverage"), few["real"].get("coverage"),
             at_least=LEAST_COVERAGE),
        _row("real against synthetic, AUC", realness.get("estimate"), real_view.get("estimate"), at_most=LARGEST_AUC),
        _row("symmetry residual, generated over real", figures["generated"].get("symmetry_ratio"),
             figures["real"].get("symmetry_ratio"), at_most=LARGEST_SYMMETRY_RATIO),
        _row("collapsed groups", collapsed, len(figures["spread"]["alarm_real"]), at_most=0),
        _row("share of copies", figures["copies"].get("share"),
             figures.get("held_out", {}).get("copies", {}).get("share"), at_most=LARGEST_COPIES),
    ]


def _row(figure: str, value: float | None, real: float | None, *, at_most: float | None = None,
         at_least: float | None = None) -> dict[str, Any]:
    met = None
    if value is not None and at_most is not None:
        met = value <= at_most
    elif value is not None and at_least is not None:
        met = value >= at_least
    return {"figure": figure, "value": value, "real": real, "at_most": at_most, "at_least": at_least, "met": met}
