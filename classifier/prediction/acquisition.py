"""How much is gained by labelling a stack next: one pure function a strategy, arrays in, scores out; larger goes first.

probability: float [N, K], or [M, N, K] of M members of an ensemble; features: float [N, F]. No score sees a label.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

ROWS_AT_ONCE = 2048  # of a matrix of distances


@dataclass(frozen=True, eq=False)
class BoundaryPoints:
    """P stacks on decision boundaries: features float [P, F] and the two classes that each lies between, int [P, 2]."""

    features: np.ndarray
    pair: np.ndarray


def entropy(probability: np.ndarray) -> np.ndarray:
    """Entropy -sum_k p_k ln p_k in nats, float64 [..., N], of probability [..., N, K].

    Uncertainty sampling, Settles 2009 (Wisconsin technical report 1648), section 3.1.
    """
    probability = np.asarray(probability, dtype=np.float64)
    return -(probability * np.log(np.where(probability > 0, probability, 1.0))).sum(axis=-1)


def margin(probability: np.ndarray) -> np.ndarray:
    """Second largest minus largest probability, float64 [N] in -1..0, of probability [N, K].

    Scheffer, Decomain and Wrobel 2001 (Advances in Intelligent Data Analysis, 309).
    """
    largest = np.sort(np.asarray(probability, dtype=np.float64), axis=-1)
    return largest[..., -2] - largest[..., -1]


def bald(probability: np.ndarray) -> np.ndarray:
    """Entropy of the members' mean minus mean of their entropies, float64 [N] in nats, of probability [M, N, K].

    The information that a label gives about which member is right (Houlsby et al. 2011, arXiv 1112.5745, eq. 2; Gal,
    Islam and Ghahramani 2017, arXiv 1703.02910); zero where all agree, however unsure they are.
    """
    probability = np.asarray(probability, dtype=np.float64)
    return np.maximum(entropy(probability.mean(axis=0)) - entropy(probability).mean(axis=0), 0.0)


def boundary_proximity(features: np.ndarray, predicted: np.ndarray, boundary: BoundaryPoints) -> np.ndarray:
    """Minus the distance of features [N, F] to the nearest boundary point of the predicted class, float64 [N].

    predicted: class_idx int [N]; -inf where no boundary of that class has been probed.
    """
    features, score = np.asarray(features), np.full(len(features), -np.inf)
    for class_idx in np.unique(predicted):
        rows = predicted == class_idx
        score[rows] = -nearest(features[rows], boundary.features[(boundary.pair == class_idx).any(axis=1)])
    return score


def by_material(score: np.ndarray, material: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Materials str [m] in the order in which to label them, ties by name, with the mean score [m] of each's stacks."""
    names, code = np.unique(material, return_inverse=True)
    mean = np.bincount(code, score, len(names)) / np.bincount(code)
    order = np.argsort(-mean, kind="stable")
    return names[order], mean[order]


def k_centre(features: np.ndarray, material: np.ndarray, labelled_features: np.ndarray, count: int
             ) -> tuple[np.ndarray, np.ndarray]:
    """Choose `count` materials one by one, each that with the stack farthest from all labelled or chosen ones.

    Returns materials str [count] and that distance [count] when each was chosen. The greedy k-centre of Sener and
    Savarese 2018 (arXiv 1708.00489), algorithm 1.

    Parameters
    ----------
    features, material, labelled_features : [N, F] and str [N], of stacks not labelled yet; [L, F]
    count : of materials
    """
    features = np.asarray(features, dtype=np.float64)
    names, code = np.unique(material, return_inverse=True)
    distance = nearest(features, labelled_features)
    chosen, radius = [], []
    for _ in range(min(count, len(names))):
        farthest = int(np.argmax(distance))
        rows = code == code[farthest]
        chosen.append(code[farthest])
        radius.append(distance[farthest])
        distance = np.minimum(distance, nearest(features, features[rows]))
        distance[rows] = -1.0  # of no use any more, not even beside copies at distance 0
    return names[chosen], np.array(radius)


def nearest(features: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance of each of features [N, F] to the nearest of others [L, F], float64 [N]; inf where there are none."""
    if not len(others):
        return np.full(len(features), np.inf)
    blocks = [cdist(features[start:start + ROWS_AT_ONCE], others).min(axis=1)
              for start in range(0, len(features), ROWS_AT_ONCE)]
    return np.concatenate(blocks) if blocks else np.zeros(0)
