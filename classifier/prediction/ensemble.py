"""Deep ensembles: the mean of the probabilities of several networks (Lakshminarayanan et al. 2017, 1612.01474)."""

from dataclasses import replace

import numpy as np
from scipy.special import log_softmax, logsumexp

from classifier.foundation.errors import InputError
from classifier.prediction.predict import Predictions


def ensemble(members: list[Predictions]) -> Predictions:
    """Average the probabilities of predictions of the same samples; logits are the logarithm of the mean."""
    first = members[0]
    for other in members[1:]:
        if (not np.array_equal(other.sample_id, first.sample_id) or not np.array_equal(other.part, first.part)
                or other.class_map != first.class_map or other.split_digest != first.split_digest):
            raise InputError(source="ensemble", rule="its members must predict the same samples, classes and split",
                             value=f"split {other.split_digest[:12]} beside {first.split_digest[:12]}, "
                             f"{len(other.sample_id)} samples beside {len(first.sample_id)}",
                             remedy="Average predictions of one split and one file.")
    return replace(first, logits=mean_log_probability(np.stack([member.logits for member in members])),
                   provenance={"ensemble": [member.provenance for member in members]})


def mean_log_probability(logits: np.ndarray) -> np.ndarray:
    """Logarithm of the mean probability, float32 [N, K], of logits [M, N, K] of M networks."""
    return (logsumexp(log_softmax(logits.astype(np.float64), axis=2), axis=0) - np.log(len(logits))).astype(np.float32)
