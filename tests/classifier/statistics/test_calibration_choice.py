import numpy as np
import pytest

from classifier.statistics import calibration_choice as choice
from classifier.statistics.metrics import softmax


def answers(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits [N, 3] that are three times too large, and the class_idx [N] that is true."""
    random = np.random.default_rng(seed)
    honest = random.normal(size=(count, 3)) * 2
    return 3 * honest, (softmax(honest).cumsum(axis=1) > random.random((count, 1))).argmax(axis=1)


@pytest.mark.parametrize("kind", choice.KINDS)
def test_every_kind_mends_what_is_too_sure_and_survives_its_state(kind) -> None:
    logits, truth = answers(3000)
    fitted = choice.fit_map(kind, logits, truth, np.ones(3000), np.arange(3000))
    assert fitted.held_out.max(axis=1).mean() == pytest.approx((logits.argmax(axis=1) == truth).mean(), abs=0.03)
    again = choice.map_from_state(fitted.map.state())
    again.require(3)
    assert np.array_equal(again.probability(logits), fitted.map.probability(logits)) and again.kind == fitted.map.kind


def test_the_best_is_the_one_of_the_least_error() -> None:
    logits, truth = answers(400)
    fitted = choice.fit_map("best", logits, truth, np.ones(400), np.arange(400))
    assert set(fitted.errors) == {"temperature", "first_answer", "venn_abers",
                                  *(f"dirichlet, penalty {penalty:g}" for penalty in choice.PENALTIES)}
    best = min(fitted.errors, key=fitted.errors.__getitem__)
    assert best.startswith(fitted.map.kind)
    p = fitted.held_out
    assert fitted.errors[best] == pytest.approx(np.square(p.max(1) - (p.argmax(1) == truth)).mean())


def test_what_a_sample_is_told_knows_nothing_of_its_unit() -> None:
    logits, truth = answers(200)
    unit = np.arange(200) // 4
    before = choice.fit_map("first_answer", logits, truth, np.ones(200), unit).held_out
    changed = truth.copy()
    changed[unit == 7] = (changed[unit == 7] + 1) % 3
    # The folds are dealt by the class of each unit's first sample: it stays, so that they stay.
    changed[28] = truth[28]
    after = choice.fit_map("first_answer", logits, changed, np.ones(200), unit).held_out
    assert np.array_equal(before[unit == 7], after[unit == 7]) and not np.array_equal(before, after)


def test_a_kind_that_no_map_has_is_refused() -> None:
    with pytest.raises(ValueError, match="of the kind spline"):
        choice.map_from_state({"kind": "spline"})
