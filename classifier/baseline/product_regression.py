"""Elastic-net logistic regression on features, or on all their products X_i X_j, j > i, which are never kept whole.

Products of 209 points are 21,736 features; of 20,000 samples they would take 1.7 GB. Their means and spreads follow
from two small matrix products, and each batch makes its own, so that memory is that of a batch and of the weights.
"""

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, ClassifierMixin

from classifier.statistics.metrics import softmax

LEAST_SPREAD = 1e-6  # of a feature: what varies less counts as constant
LEAST_GRADIENT = 1e-12  # of a sum of squares that is divided by


class ProductRegression(ClassifierMixin, BaseEstimator):
    """Multinomial: mean cross-entropy + alpha [l1_share |W|_1 + (1 - l1_share) |W|^2 / 2] of standardised features.

    Proximal AdaGrad (Duchi, Hazan & Singer 2011, J. Mach. Learn. Res. 12, 2121, composite mirror descent): every weight
    has a step of its own, and those that the penalty outweighs are exactly 0. Solved as far as `epochs` passes go.

    products: of pairs in place of the features; step: of the first one, in changes of a logit; batch: samples a step.
    """

    def __init__(self, *, alpha: float, l1_share: float, products: bool, balanced: bool, epochs: int, batch: int,
                 step: float, seed: int) -> None:
        self.alpha, self.l1_share, self.products, self.balanced = alpha, l1_share, products, balanced
        self.epochs, self.batch, self.step, self.seed = epochs, batch, step, seed

    def fit(self, features: np.ndarray, truth: np.ndarray) -> "ProductRegression":
        """Learn from samples [N, D] and their classes [N]."""
        features = np.asarray(features, dtype=np.float32)
        self.classes_, code, count = np.unique(truth, return_inverse=True, return_counts=True)
        weight = (len(truth) / (len(count) * count[code]) if self.balanced else np.ones(len(truth))).astype(np.float32)
        self.mean_, self.scale_ = self._moments(features)
        wide, classes = len(self.mean_), len(self.classes_)
        self.weight_, self.bias_ = np.zeros((wide, classes), np.float32), np.log(count / count.sum()).astype(np.float32)
        squares = np.full_like(self.weight_, LEAST_GRADIENT), np.full_like(self.bias_, LEAST_GRADIENT)
        random, size = np.random.default_rng(self.seed), self.step / wide
        for _ in range(self.epochs):
            order = random.permutation(len(truth))
            for rows in np.split(order, range(self.batch, len(order), self.batch)):
                z = self._standardised(features[rows])
                error = softmax(z @ self.weight_ + self.bias_).astype(np.float32)
                error[np.arange(len(rows)), code[rows]] -= 1
                error *= weight[rows, None] / len(rows)
                gradient, of_bias = z.T @ error, error.sum(0)
                squares[0][:] += gradient**2
                squares[1][:] += of_bias**2
                own = size / np.sqrt(squares[0])
                self.bias_ -= self.step / np.sqrt(len(count)) * of_bias / np.sqrt(squares[1])
                moved = self.weight_ - own * gradient
                shrunk = np.maximum(np.abs(moved) - own * self.alpha * self.l1_share, 0)
                self.weight_ = np.sign(moved) * shrunk / (1 + own * self.alpha * (1 - self.l1_share))
        return self

    def predict_proba(self, features: np.ndarray) -> Float[np.ndarray, "n K"]:
        """Probabilities of the classes, float64 [n, classes]."""
        features = np.asarray(features, dtype=np.float32)
        blocks = [np.zeros((0, len(self.classes_)))]
        for start in range(0, len(features), self.batch):
            z = self._standardised(features[start:start + self.batch])
            blocks.append(softmax(z @ self.weight_ + self.bias_))
        return np.concatenate(blocks)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The most probable class [n]."""
        return self.classes_[self.predict_proba(features).argmax(axis=1)]

    def _pairs(self, wide: int) -> tuple[np.ndarray, np.ndarray]:
        return np.triu_indices(wide, k=1)

    def _moments(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and spread float32 [features or products] over the samples."""
        x = features.astype(np.float64)
        if not self.products:
            return x.mean(0).astype(np.float32), _spread(x.mean(0), (x**2).mean(0))
        i, j = self._pairs(x.shape[1])
        mean, square = (x.T @ x / len(x))[i, j], ((x**2).T @ x**2 / len(x))[i, j]
        return mean.astype(np.float32), _spread(mean, square)

    def _standardised(self, features: np.ndarray) -> np.ndarray:
        """What the regression sees of a batch [n, D]: float32 [n, features or products], of mean 0 and spread 1."""
        if self.products:
            i, j = self._pairs(features.shape[1])
            features = features[:, i] * features[:, j]
        return (features - self.mean_) / self.scale_


def _spread(mean: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Standard deviations of a mean and a mean square; what hardly varies is never blown up."""
    spread = np.sqrt(np.maximum(square - mean**2, 0))
    return np.where(spread > LEAST_SPREAD, spread, 1).astype(np.float32)
