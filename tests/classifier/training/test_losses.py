"""Every loss on logits that a hand can follow; each test has the paper's formula in it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import TypeAdapter, ValidationError

from classifier.pattern.augment import mix
from classifier.training import losses

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]])
LABEL = torch.tensor([1, 2])
TARGET = F.one_hot(LABEL, 3).float()
PRIOR = torch.tensor([0.7, 0.2, 0.1])
MATERIALS = torch.tensor([81.0, 16.0, 1.0])
SIZES = losses.ClassSizes(PRIOR, MATERIALS)


def mean(loss, logits=LOGITS, target=TARGET, done: float = 0.0) -> float:
    each, weights = loss.losses(logits, target, SIZES, done), loss.sample_weights(target, SIZES, done)
    assert each.shape == weights.shape == logits.shape[:1]
    return float((each * weights).sum() / weights.sum())


def test_one_hot_cross_entropy_is_the_usual_one():
    assert mean(losses.CrossEntropy(kind="cross_entropy")) == pytest.approx(F.cross_entropy(LOGITS, LABEL).item())


def test_soft_labels_mix():
    single = F.cross_entropy(LOGITS[:1].repeat(3, 1), torch.arange(3), reduction="none")
    soft = mean(losses.CrossEntropy(kind="cross_entropy"), LOGITS[:1], torch.tensor([[0.5, 0.3, 0.2]]))
    assert soft == pytest.approx((0.5 * single[0] + 0.3 * single[1] + 0.2 * single[2]).item())


def test_inverse_weights_are_those_of_torch():
    weights = torch.tensor([1 / 81, 1 / 16, 1.0])
    loss = losses.Weighted(kind="weighted", weights="inverse", beta=0.0)
    assert mean(loss) == pytest.approx(F.cross_entropy(LOGITS, LABEL, weight=weights).item())


def test_effective_numbers_run_from_equal_to_inverse_weights():
    assert losses.effective_number_weights(MATERIALS, 0.0).tolist() == pytest.approx([1, 1, 1])
    by_hand = torch.tensor([0.1 / (1 - 0.9**81), 0.1 / (1 - 0.9**16), 1.0])
    weights = losses.effective_number_weights(MATERIALS, 0.9)
    assert weights.tolist() == pytest.approx((by_hand * 3 / by_hand.sum()).tolist())
    nearly = losses.effective_number_weights(MATERIALS, 1 - 1e-9)
    assert (nearly[2] / nearly[0]).item() == pytest.approx(81, rel=1e-5)
    loss = losses.Weighted(kind="weighted", weights="effective", beta=0.9)
    assert mean(loss) == pytest.approx(F.cross_entropy(LOGITS, LABEL, weight=by_hand).item())


def test_focal_loss_spares_the_easy():
    p = torch.softmax(LOGITS, 1)[torch.arange(2), LABEL]
    assert mean(losses.Focal(kind="focal", gamma=2.0)) == pytest.approx((-((1 - p) ** 2) * p.log()).mean().item())
    assert mean(losses.Focal(kind="focal", gamma=0.0)) == pytest.approx(F.cross_entropy(LOGITS, LABEL).item())


def test_ldam_takes_margins_by_the_fourth_root_and_weights_late():
    """n = 81, 16, 1: n^(-1/4) = 1/3, 1/2, 1; the rarest class has the largest margin."""
    loss = losses.Ldam(kind="ldam", largest_margin=6.0, deferred_from=0.5, beta=0.9)
    moved = LOGITS - torch.tensor([[0.0, 3.0, 0.0], [0.0, 0.0, 6.0]])
    assert mean(loss, done=0.4) == pytest.approx(F.cross_entropy(moved, LABEL).item())
    weights = losses.effective_number_weights(MATERIALS, 0.9)
    assert mean(loss, done=0.5) == pytest.approx(F.cross_entropy(moved, LABEL, weight=weights).item())


def test_tau_one_is_the_balanced_softmax_on_counts():
    counts = torch.tensor([70.0, 20.0, 10.0])
    share = counts * LOGITS.exp() / (counts * LOGITS.exp()).sum(1, keepdim=True)
    expected = -share[torch.arange(2), LABEL].log().mean()
    assert mean(losses.LogitAdjusted(kind="logit_adjusted", tau=1.0)) == pytest.approx(expected.item())
    plain = mean(losses.CrossEntropy(kind="cross_entropy"))
    assert mean(losses.LogitAdjusted(kind="logit_adjusted", tau=0.0)) == pytest.approx(plain)


def test_a_class_without_samples_keeps_a_finite_prior():
    prior = losses.class_prior(torch.tensor([0.8, 0.2, 0.0]), smallest=0.1)
    assert prior.sum() == pytest.approx(1) and torch.isfinite(prior.log()).all()
    assert prior[1] / prior[2] == pytest.approx(2)


def test_mixup_keeps_shares_and_pairs_pictures_with_targets():
    x = torch.arange(4.0)[:, None, None, None].expand(4, 3, 2, 2)
    mixed, target = mix(x, torch.eye(4), np.random.default_rng(0), 0.4)
    assert target.sum(1).tolist() == pytest.approx([1, 1, 1, 1])
    assert mixed[:, 0, 0, 0].tolist() == pytest.approx((target @ torch.arange(4.0)).tolist())
    assert (target > 0).sum() > 4


def test_a_loss_is_told_by_its_kind_and_takes_only_its_own_settings():
    adapter = TypeAdapter(losses.AnyLoss)
    assert adapter.validate_python({"kind": "focal", "gamma": 1.0}) == losses.Focal(kind="focal", gamma=1.0)
    for wrong in ({"kind": "ldam"}, {"kind": "cross_entropy", "tau": 1.0}, {"kind": "hinge"}, {"tau": 1.0}):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)
