"""Does the confidence say how often a classifier is right, and how much better is it where it is confident?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.metrics import ratio, softmax


@dataclass(frozen=True, eq=False)
class Reliability:
    """Equal bins of confidence, each [R+1, B]: share of the samples, their mean confidence and accuracy (NaN: empty).

    Guo et al. 2017, arXiv 1706.04599, section 2.
    """

    share: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @classmethod
    def of(cls, truth: Int[np.ndarray, " N"], logits: Float[np.ndarray, "N K"], drawn: Bootstrap, bins: int
           ) -> "Reliability":
        """Bin samples by the highest probability.

        Parameters
        ----------
        truth : class_idx of each sample
        logits : what it was answered
        drawn : replicates
        bins : B
        """
        confidence, right = confidence_and_right(truth, logits)
        place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
        weight = drawn.tally(place, bins)
        return cls(weight / weight.sum(axis=1, keepdims=True), ratio(drawn.tally(place, bins, confidence), weight),
                   ratio(drawn.tally(place, bins, right), weight))

    def calibration_error(self) -> np.ndarray:
        """Expected calibration error [R+1], eq. 3 there; on average too large, the more so the fewer samples."""
        return np.nansum(self.share * np.abs(self.accuracy - self.confidence), axis=1)


def confidence_and_right(truth: Int[np.ndarray, " N"], logits: Float[np.ndarray, "N K"]
                         ) -> tuple[Float[np.ndarray, " N"], Bool[np.ndarray, " N"]]:
    """Highest probability and whether its class is the true one."""
    probability = softmax(logits)
    return probability.max(axis=1), probability.argmax(axis=1) == np.asarray(truth)


def accuracy_at_coverage(confidence: Float[np.ndarray, " N"], right: Bool[np.ndarray, " N"], drawn: Bootstrap,
                         coverage: Float[np.ndarray, " C"]) -> Float[np.ndarray, "R1 C"]:
    """Accuracy of the most confident share of the samples; the rest is refused.

    Samples of equal confidence are taken together, in part where the share ends among them.

    Parameters
    ----------
    confidence, right : of each sample
    drawn : replicates
    coverage : shares, in (0, 1]
    """
    order = np.argsort(-confidence, kind="stable")
    last_of_equals = np.flatnonzero(np.diff(confidence[order], append=-1.0))
    code, weight, right = drawn.code[order], drawn.weight[order], np.asarray(right)[order]
    accuracy = np.empty((len(drawn.times), len(coverage)))
    for row, times in enumerate(drawn.times):
        taken = times[code] * weight
        total, hits = (np.concatenate([[0.0], np.cumsum(part)[last_of_equals]]) for part in (taken, taken * right))
        wanted = np.asarray(coverage) * total[-1]
        accuracy[row] = np.interp(wanted, total, hits) / wanted
    return accuracy
