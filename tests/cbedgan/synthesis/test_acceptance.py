import numpy as np
import pytest
import torch

from cbedgan.synthesis import acceptance

CONFIG = acceptance.AcceptanceConfig(
    interior_probability=0.4, boundary_probability=0.7, range_factor=1.5, neighbours=2, realism_quantile=0.9,
    realism_factor=1.0, small_class=3, copy_quantile=0.01)
CLASSES = 3


@pytest.fixture
def real():
    """Ten materials of two classes, two stacks each; features lie on a line, class 1 a hundred apart from class 0."""
    random = np.random.default_rng(0)
    class_idx = torch.arange(20) // 10
    material = np.array([f"m{i // 2}" for i in range(20)])
    intensity = torch.from_numpy(random.uniform(0.1, 1.0, (20, 3, 4, 4))).float()
    intensity[1::2] = intensity[::2] + 1e-3  # the two stacks of a material are near-copies
    features = (torch.arange(20.0) // 2)[:, None] + 100.0 * class_idx[:, None] * torch.ones(1, 2)
    x = 2 * intensity - 1
    return x, intensity, features, class_idx, material


@pytest.fixture
def reference(real):
    return acceptance.Reference.fit(*real, CONFIG, classes=CLASSES)


def good(n=1):
    """Stacks of class 0 that pass every test."""
    checkerboard = (torch.arange(4)[:, None] + torch.arange(4)) % 2
    intensity = (0.1 + 0.9 * checkerboard).expand(n, 3, 4, 4)
    return {"x": 2 * intensity - 1, "intensity": intensity, "probability": torch.tensor([[0.5, 0.3, 0.2]] * n),
            "features": torch.full((n, 2), 2.5), "claimed": torch.zeros(n, 2, dtype=torch.int64)}


def verdict(reference, **changes):
    code = acceptance.decide(acceptance.CandidateStacks(**good() | changes), reference, CONFIG)[0].item()
    return "accepted" if code == acceptance.ACCEPTED else acceptance.REASONS[code]


def test_a_good_stack_is_accepted(reference):
    assert verdict(reference) == "accepted"


def test_every_reason_is_named(reference, real):
    nan = good()["x"].clone()
    nan[0, 1, 2, 3] = torch.nan
    assert verdict(reference, x=nan) == "not_finite"
    assert verdict(reference, intensity=good()["intensity"] * 20) == "out_of_range"
    assert verdict(reference, intensity=good()["intensity"] * 0.01) == "out_of_range"
    spike = good()["intensity"].clone()
    spike[0, 0, 0, 0] = 1.6
    assert verdict(reference, intensity=spike) == "out_of_range"
    assert verdict(reference, probability=torch.tensor([[0.39, 0.6, 0.01]])) == "class_probability"
    assert verdict(reference, features=torch.full((1, 2), 30.0)) == "realism"
    assert verdict(reference, x=real[0][:1] + 1e-3) == "copy"


def test_the_first_reason_counts(reference):
    assert verdict(reference, probability=torch.zeros(1, 3), features=torch.full((1, 2), 30.0)) == "class_probability"


def test_boundary_stacks_share_the_probability_of_two_classes_and_lie_between_them(reference):
    """Classes at 0..4 and 105..109 on a line (times the root of 2): halfway is as real as the ends."""
    pair = torch.tensor([[0, 1]])
    for place in (2.5, 50.0, 107.0):
        assert verdict(reference, claimed=pair, features=torch.full((1, 2), place)) == "accepted"
    assert verdict(reference, claimed=pair, features=torch.tensor([[100.0, 0.0]])) == "realism"
    assert verdict(reference, claimed=pair, features=torch.full((1, 2), 130.0)) == "realism"
    assert verdict(reference, claimed=pair, probability=torch.tensor([[0.3, 0.3, 0.4]])) == "class_probability"


def test_a_claim_to_a_class_without_real_stacks_is_not_realistic(reference):
    assert verdict(reference, claimed=torch.tensor([[0, 2]])) == "realism"


def test_reach_ignores_stacks_of_the_same_material(real):
    _, _, features, class_idx, material = real
    code = torch.from_numpy(np.unique(material, return_inverse=True)[1])
    # Materials lie sqrt(2) apart with two stacks each: the 2nd neighbour of another material is the adjacent one's.
    reach = acceptance.class_reach(features, class_idx, code, CONFIG, classes=CLASSES)
    assert torch.allclose(reach.diagonal()[:2], torch.tensor(2**0.5)) and reach[2].isnan().all()
    assert torch.allclose(reach[0, 1], torch.tensor(105 * 2**0.5))  # the farthest stack of class 0 from class 1


def test_a_class_of_few_materials_takes_the_reach_of_all():
    features = torch.tensor([[0.0], [1.0], [2.0], [3.0], [500.0], [900.0]])
    class_idx, material = torch.tensor([0, 0, 0, 0, 1, 1]), torch.arange(6)
    config = CONFIG.model_copy(update={"neighbours": 1, "realism_quantile": 0.5})
    assert acceptance.class_reach(features, class_idx, material, config, classes=2).diagonal().tolist() == [1.0, 1.0]


def test_distances_are_those_of_the_nearest_and_the_kth(reference):
    assert acceptance.nearest_distance(torch.zeros(1, 2), torch.tensor([[3.0, 4.0], [30.0, 40.0]])).item() == 5.0
    real, class_idx = torch.tensor([[1.0], [2.0], [4.0], [50.0]]), torch.tensor([0, 0, 0, 1])
    distances = acceptance.class_distance(torch.tensor([[0.0], [4.0]]), real, class_idx, 2, torch.arange(3))
    assert distances.tolist() == [[2.0, 50.0, torch.inf], [2.0, 46.0, torch.inf]]


def test_near_copies_of_one_material_do_not_lower_the_copy_distance(real, reference):
    x = real[0].flatten(1)
    assert (x[0] - x[1]).norm() < 0.1 < reference.copy_distance
