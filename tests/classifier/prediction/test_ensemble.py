from dataclasses import replace

import numpy as np
import pytest

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.prediction.ensemble import ensemble
from classifier.prediction.predict import Predictions


@pytest.fixture
def one() -> Predictions:
    """One sample; probabilities 0.9 and 0.1."""
    name = np.array(["a"])
    return Predictions(name, name, name, np.array([194]), np.log([[0.1, 0.9]]).astype(np.float32), np.array(["test"]),
                       ClassMap((194, 225)), "split", {"seed": 1})


def test_probabilities_are_averaged_not_logits(one):
    """(0.1, 0.9) and (0.7, 0.3) give (0.4, 0.6), whatever is added to all logits of a member."""
    other = replace(one, logits=np.log([[0.7, 0.3]]).astype(np.float32) + 50, provenance={"seed": 2})
    both = ensemble([one, other])
    np.testing.assert_allclose(np.exp(both.logits), [[0.4, 0.6]], rtol=1e-5)
    assert both.provenance == {"ensemble": [{"seed": 1}, {"seed": 2}]}


def test_members_must_judge_the_same(one):
    for other in (replace(one, split_digest="another"), replace(one, sample_id=np.array(["b"]))):
        with pytest.raises(InputError, match="the same samples"):
            ensemble([one, other])
