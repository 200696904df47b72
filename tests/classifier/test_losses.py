from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from classifier.losses import adjust_logits, class_prior, cross_entropy, logit_adjusted

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]])
LABEL = torch.tensor([1, 2])
TARGET = F.one_hot(LABEL, 3).float()
PRIOR = torch.tensor([0.7, 0.2, 0.1])


def test_one_hot_cross_entropy_is_the_usual_one() -> None:
    assert cross_entropy(LOGITS, TARGET) == pytest.approx(F.cross_entropy(LOGITS, LABEL).item())


def test_soft_labels_mix_and_weights_weigh() -> None:
    single = F.cross_entropy(LOGITS[:1].repeat(3, 1), torch.arange(3), reduction="none")
    soft = cross_entropy(LOGITS[:1], torch.tensor([[0.5, 0.3, 0.2]]))
    assert soft == pytest.approx((0.5 * single[0] + 0.3 * single[1] + 0.2 * single[2]).item())
    each = F.cross_entropy(LOGITS, LABEL, reduction="none")
    weighted = cross_entropy(LOGITS, TARGET, torch.tensor([1.0, 0.5]))
    assert weighted == pytest.approx(((each[0] + 0.5 * each[1]) / 1.5).item())


def test_tau_one_is_the_balanced_softmax_on_counts() -> None:
    counts = torch.tensor([70.0, 20.0, 10.0])
    share = counts * LOGITS.exp() / (counts * LOGITS.exp()).sum(1, keepdim=True)
    expected = -share[torch.arange(2), LABEL].log().mean()
    assert logit_adjusted(LOGITS, TARGET, PRIOR, 1.0) == pytest.approx(expected.item())
    assert logit_adjusted(LOGITS, TARGET, PRIOR, 0.0) == pytest.approx(cross_entropy(LOGITS, TARGET).item())


def test_post_hoc_adjustment_lifts_rare_classes() -> None:
    logits = torch.tensor([[1.0, 0.0, 0.0]])
    assert adjust_logits(logits, PRIOR, 1.0).argmax() == 2
    assert torch.allclose(adjust_logits(logits, PRIOR, 0.5), logits - 0.5 * PRIOR.log())


def test_a_class_without_samples_keeps_a_finite_prior() -> None:
    prior = class_prior(torch.tensor([0.8, 0.2, 0.0]), smallest=0.1)
    assert prior.sum() == pytest.approx(1) and torch.isfinite(prior.log()).all()
    assert prior[1] / prior[2] == pytest.approx(2)
