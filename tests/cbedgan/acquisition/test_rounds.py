import numpy as np

from cbedgan.acquisition.rounds import start_materials


def test_start_sets_hold_every_group_and_follow_the_seed(base):
    names, group = base.training_materials()
    of = dict(zip(names.tolist(), group.tolist(), strict=True))
    for seed in range(5):
        drawn = start_materials(base, 6, seed)
        assert len(set(drawn)) == 6 and {of[name] for name in drawn} == set(group.tolist())
        assert {of[name] for name in drawn[:4]} == set(group.tolist()) and drawn == start_materials(base, 6, seed)
    assert len({tuple(start_materials(base, 6, seed)) for seed in range(5)}) == 5
    assert len(start_materials(base, 3, 0)) == 3
    assert np.isin(start_materials(base, 16, 0), base.split.materials["train"]).all()
