from collections.abc import Callable, Iterable

import pytest

from cbedgan.crystal.plan import CrystalConfig, CrystalPlan, Refuse, plan_group


@pytest.fixture(scope="session")
def plan_crystals() -> Callable[..., CrystalPlan]:
    """plan_crystals(config, seed=..., refuse=..., apply=...): the plans of all groups together; apply: as `map`."""
    def plan(config: CrystalConfig, *, seed: int, refuse: Refuse = lambda crystal: None,
             apply: Callable[..., Iterable[CrystalPlan]] = map) -> CrystalPlan:
        n = len(config.groups)
        plans = list(apply(plan_group, config.groups, [config] * n, [seed] * n, [refuse] * n))
        return CrystalPlan([entry for planned, _ in plans for entry in planned],
                           [entry for _, passed in plans for entry in passed])
    return plan
