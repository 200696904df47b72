import numpy as np
import pytest
import torch

from classifier.statistics.metrics import softmax
from classifier.statistics.venn_abers import MOST, VennAbers, fit_venn_abers


def test_two_scores_by_hand() -> None:
    # Of two classes at 0.8 and 0.2; 3 of 4 are right. Steps: 0.2 (1 of 4 true), 0.8 (3 of 4).
    logits = np.log(np.array([[0.8, 0.2]] * 4))
    table = fit_venn_abers(logits, np.array([0, 0, 0, 1]), np.ones(4))
    assert table.score == pytest.approx([0.2, 0.8])
    # At 0.8 one more wrong gives 3/5, one more right 4/5; above it a wrong one pools with 3/4 to 3/5, a right one is 1.
    assert table.low[3:] == pytest.approx([3 / 5, 3 / 5]) and table.high[3:] == pytest.approx([4 / 5, 1])
    # Between them a wrong one pools with 1/4 below, a right one with 3/4 above.
    assert table.low[2] == pytest.approx(1 / 5) and table.high[2] == pytest.approx(4 / 5)
    first, second = (4 / 5) / (1 - 3 / 5 + 4 / 5), (2 / 5) / (1 - 1 / 5 + 2 / 5)
    assert table.probability(logits)[0, 0] == pytest.approx(first / (first + second), abs=1e-6)


def test_a_distorted_confidence_is_mended() -> None:
    random = np.random.default_rng(0)
    honest = random.normal(size=(30_000, 4)) * 2
    truth = (softmax(honest).cumsum(axis=1) > random.random((30_000, 1))).argmax(axis=1)
    fitted = fit_venn_abers(3 * honest[:20_000], truth[:20_000], np.ones(20_000))
    assert len(fitted.score) <= MOST
    p = fitted.probability(3 * honest[20_000:])
    right, confidence = p.argmax(axis=1) == truth[20_000:], p.max(axis=1)
    for low in (0.3, 0.5, 0.7, 0.9):
        some = (confidence >= low) & (confidence < low + 0.2)
        assert right[some].mean() == pytest.approx(confidence[some].mean(), abs=0.04)
    assert np.array_equal(p.argmax(axis=1), honest[20_000:].argmax(axis=1))


def test_tables_that_do_not_fit_are_refused() -> None:
    good = VennAbers(np.array([0.2, 0.8]), np.zeros(5), np.ones(5))
    good.require(7)
    assert torch.equal(good.state()["low"], torch.zeros(5, dtype=torch.float64))
    for score, low in ((np.array([0.8, 0.2]), np.zeros(5)), (np.array([0.2, 0.8]), np.zeros(4)),
                       (np.array([0.2, 0.8]), np.full(5, 2.0))):
        with pytest.raises(ValueError):
            VennAbers(score, low, np.ones(5)).require(7)
