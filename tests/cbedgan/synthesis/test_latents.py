from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cbedgan.boundary.probefile import ProbedPaths, ProbeFile
from cbedgan.gan.network.latents import latents, z_seeds
from cbedgan.synthesis.latents import boundary, interior, usable_points
from classifier.crystal.spacegroup import ClassMap

GENERATOR = SimpleNamespace(class_map=ClassMap((186, 216)), latent_dim=2, embed=lambda c: 10.0 * c[:, None],
                            mapping=lambda z, e: torch.cat([z, e.float()], 1))


def probed(**changes):
    """Four paths of group 216: to a confused partner, a less confused one, a control, and one without a crossing."""
    n = 4
    columns = {column.name: np.zeros(n) for column in fields(ProbedPaths)} | {
        "space_group_a": np.full(n, 216), "space_group_b": np.array([225, 194, 166, 225]),
        "control": np.array([False, False, True, False]), "confusion": np.array([0.5, 1e-5, 0.1, 0.5]),
        "crossing": np.array([0.3, 0.6, 0.5, np.nan]), "margin_at_a": np.ones(n), "p_a": np.full(n, 0.3),
        "p_b": np.full(n, 0.3), "kind": np.full(n, "class"), "z_seed_a": np.arange(7, 7 + n), "z_seed_b": np.arange(n),
        "w": np.arange(12, dtype=np.float32).reshape(4, 3)}
    return ProbedPaths(**columns | changes)


def drawn(n=4, first=0, toward_rare=(0.0, 0.0), reuse=1, paths=None):
    probe = ProbeFile(paths or probed(), {}, {}, "d1")
    return boundary(GENERATOR, probe, 216, seed=0, numbers=range(first, first + n), pair_probability=0.5,
                    toward_rare=toward_rare, reuse=reuse)


def test_interior_candidates_have_a_seed_each_and_the_groups_embedding():
    candidates = interior(GENERATOR, 216, seed=5, numbers=range(3))
    assert candidates.partner.tolist() == [216] * 3 and candidates.w[:, 2].tolist() == [10.0] * 3
    later = interior(GENERATOR, 216, seed=5, numbers=range(2, 3))
    assert torch.equal(later.w[0], candidates.w[2]) and later.records[0] == candidates.records[2]
    assert torch.equal(latents(np.array([candidates.records[1]["z_seed"]]), 2)[0], candidates.w[1, :2])
    assert candidates.records[0]["z_seed"] != z_seeds(5, 216, n=1)[0]  # no latent of the probe is drawn again


def usable(group=216, seed=0, **changes):
    return usable_points(probed(**changes), group, pair_probability=0.5, seed=seed).tolist()


def test_controls_paths_without_a_crossing_and_paths_that_begin_outside_are_not_used():
    assert sorted(usable()) == [0, 1] and usable(margin_at_a=np.array([-1.0, 1, 1, 1])) == [1]
    assert usable(group=225) == []


def test_points_in_the_region_of_a_third_group_are_not_used():
    assert usable(p_b=np.array([0.1, 0.3, 0.3, 0.3])) == [1]


def test_confused_partners_come_first_and_every_point_once_a_round():
    assert np.mean([usable(seed=seed)[0] == 0 for seed in range(100)]) > 0.9
    assert [record["partner"] for record in drawn(n=9).records] == [225, 194]
    assert [record["partner"] for record in drawn(n=9, reuse=2).records] == [225, 194, 225, 194]
    assert [record["partner"] for record in drawn(n=9, reuse=2, first=3).records] == [194]


def test_boundary_candidates_lie_between_the_boundary_point_and_the_beginning():
    still = drawn(toward_rare=(0.0, 0.0))
    assert still.w.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    begin = torch.cat([latents(np.array([7, 8]), 2), torch.full((2, 1), 10.0)], 1)
    assert torch.allclose(drawn(toward_rare=(1.0, 1.0)).w, begin)
    half = drawn(toward_rare=(0.2, 0.4))
    shift = torch.tensor([record["toward_rare"] for record in half.records])
    assert ((shift >= 0.2) & (shift <= 0.4)).all() and len(set(shift.tolist())) == 2
    assert torch.allclose(half.w, still.w + shift[:, None] * (begin - still.w))


def test_the_record_holds_w_to_the_last_bit():
    candidates = drawn(toward_rare=(0.1, 0.9), n=9, reuse=4)
    assert {record["probe_digest"] for record in candidates.records} == {"d1"}
    assert torch.equal(torch.tensor([record["w"] for record in candidates.records]), candidates.w)


@pytest.mark.parametrize("paths", [probed(control=np.ones(4, bool)), probed(crossing=np.full(4, np.nan))])
def test_no_usable_point_gives_no_candidate(paths):
    assert len(drawn(paths=paths)) == 0
