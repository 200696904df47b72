"""Models that cost nothing: guessing, two regressions, two kinds of trees, nearest neighbours, each with its grid.

Each is a scikit-learn Pipeline from descriptors [N, D] to class probabilities; what a configuration lists is searched.
"""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ParameterGrid
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer, StandardScaler

from classifier.baseline.product_regression import ProductRegression
from classifier.foundation.config import Config

# Mean 0 and spread 1, the normal quantile of the rank, or descriptors as they are.
Scale = Literal["standard", "rank", "none"]
ClassWeight = Literal["none", "balanced"]  # every sample alike, or every class alike
RANKS = 200  # quantiles that the rank scale keeps


class Searched(Config):
    """A configuration whose lists are choices; a single choice is a list of one."""

    def grid(self) -> list[dict[str, Any]]:
        """Every combination of the choices, {field: one of its list}."""
        return list(ParameterGrid({name: list(value) for name, value in self if isinstance(value, tuple)}))


class Guess(Searched):
    """Knows the training labels alone: "majority" is certain of the commonest class, "prior" gives the frequencies."""

    kind: Literal["majority", "prior"]

    def pipeline(self, choice: dict[str, Any], seed: int, threads: int) -> Pipeline:
        """No descriptor counts."""
        return make_pipeline(DummyClassifier(strategy="most_frequent" if self.kind == "majority" else "prior"))


class Logistic(Searched):
    """Multinomial logistic regression with the elastic net of Zou & Hastie 2005 (J. R. Stat. Soc. B 67, 301).

    inverse_strength: C of scikit-learn, small = strong penalty; l1_share: of the penalty; iterations: passes at most
    of SAGA (Defazio et al. 2014, arXiv 1407.0202), which stops before when no coefficient moves more than tolerance.
    """

    kind: Literal["logistic"]
    scale: tuple[Scale, ...]
    inverse_strength: tuple[float, ...]
    l1_share: tuple[float, ...]
    class_weight: tuple[ClassWeight, ...]
    iterations: int
    tolerance: float

    def pipeline(self, choice: dict[str, Any], seed: int, threads: int) -> Pipeline:
        """Scale, then the regression."""
        return make_pipeline(_scale(choice["scale"]), LogisticRegression(
            C=choice["inverse_strength"], l1_ratio=choice["l1_share"], class_weight=_weight(choice["class_weight"]),
            solver="saga", max_iter=self.iterations, tol=self.tolerance, random_state=seed))


class ElasticRegression(Searched):
    """Multinomial regression on standardised descriptors, or on their products in pairs, see ProductRegression.

    alpha, l1_share: strength of the penalty and the share of its l1 part (Lambda of Liu et al. 2019); products: whether
    on all X_i X_j, j > i; epochs: passes over the training part; step: of the first one, in changes of a logit.
    """

    kind: Literal["elastic_net"]
    products: tuple[bool, ...]
    alpha: tuple[Annotated[float, Field(ge=0)], ...]
    l1_share: tuple[Annotated[float, Field(ge=0, le=1)], ...]
    class_weight: tuple[ClassWeight, ...]
    epochs: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)] = 256
    step: Annotated[float, Field(gt=0)] = 1.0

    def pipeline(self, choice: dict[str, Any], seed: int, threads: int) -> Pipeline:
        """The regression standardises what it sees itself."""
        return make_pipeline(ProductRegression(
            alpha=choice["alpha"], l1_share=choice["l1_share"], products=choice["products"], seed=seed,
            balanced=choice["class_weight"] == "balanced", epochs=self.epochs, batch=self.batch, step=self.step))


class GradientBoosting(Searched):
    """Boosted trees on binned descriptors (Ke et al. 2017, LightGBM, as in scikit-learn), none held out to stop early.

    rounds: trees a class; most_leaves: of a tree; l2: penalty on the values of the leaves.
    """

    kind: Literal["gradient_boosting"]
    rounds: tuple[Annotated[int, Field(ge=1)], ...]
    learning_rate: tuple[Annotated[float, Field(gt=0)], ...]
    most_leaves: tuple[Annotated[int, Field(ge=2)], ...]
    l2: tuple[Annotated[float, Field(ge=0)], ...]
    class_weight: tuple[ClassWeight, ...]

    def pipeline(self, choice: dict[str, Any], seed: int, threads: int) -> Pipeline:
        """Trees need no scale."""
        return make_pipeline(HistGradientBoostingClassifier(
            max_iter=choice["rounds"], learning_rate=choice["learning_rate"], max_leaf_nodes=choice["most_leaves"],
            l2_regularization=choice["l2"], class_weight=_weight(choice["class_weight"]), random_state=seed,
            early_stopping=False))  # pyright: ignore[reportArgumentType]


class ExtraTrees(Searched):
    """Extremely randomised trees (Geurts et al. 2006, Mach. Learn. 63, 3).

    descriptor_share: of all descriptors, tried at each node; least_leaf: samples that a leaf holds at least.
    """

    kind: Literal["extra_trees"]
    trees: int
    descriptor_share: tuple[float, ...]
    least_leaf: tuple[int, ...]
    class_weight: tuple[ClassWeight, ...]

    def pipeline(self, choice: dict[str, Any], seed: int, threads: int) -> Pipeline:
        """Trees need no scale."""
        return make_pipeline(ExtraTreesClassifier(
            self.trees, max_features=choice["descriptor_share"], min_samples_leaf=choice["least_leaf"],
            class_weight=_weight(choice["class_weight"]), random_state=seed, n_jobs=threads))


class Neighbours(Searched):
    """Votes of the nearest training samples in the first principal components, each of unit spread.

    components 0 takes the scaled descriptors themselves, as a search in a data base of patterns does.
    """

    kind: Literal["neighbours"]
    scale: tuple[Scale, ...]
    components: tuple[int, ...]
    neighbours: tuple[int, ...]
    distance_power: tuple[float, ...]
    class_weight: tuple[ClassWeight, ...]

    def pipeline(self, choice: dict[str, Any], seed: int, threads: int) -> Pipeline:
        """Scale, principal components, votes."""
        reduced = PCA(choice["components"], whiten=True, svd_solver="full") if choice["components"] else _scale("none")
        return make_pipeline(
            _scale(choice["scale"]), reduced,
            NeighbourVote(choice["neighbours"], choice["distance_power"], _weight(choice["class_weight"]), threads))


Method = Annotated[Guess | Logistic | ElasticRegression | ExtraTrees | GradientBoosting | Neighbours,
                   Field(discriminator="kind")]


class NeighbourVote(ClassifierMixin, BaseEstimator):
    """Nearest neighbours whose votes weigh distance^-distance_power and, if "balanced", 1 / (samples of the class).

    scikit-learn's own has no class weights, without which the rare classes are outvoted.
    """

    def __init__(self, neighbours: int, distance_power: float, class_weight: str | None, threads: int) -> None:
        self.neighbours, self.distance_power = neighbours, distance_power
        self.class_weight, self.threads = class_weight, threads

    def fit(self, features: np.ndarray, truth: np.ndarray) -> "NeighbourVote":
        """Keep the samples [N, D] and their classes [N]."""
        self.classes_, self.code_, count = np.unique(truth, return_inverse=True, return_counts=True)
        self.weight_ = 1 / count if self.class_weight == "balanced" else np.ones(len(count))
        self.search_ = NearestNeighbors(n_neighbors=min(self.neighbours, len(truth)), n_jobs=self.threads)
        self.search_.fit(features)
        return self

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Shares of the votes, float64 [n, classes]."""
        distance, near = self.search_.kneighbors(features)
        # Relative distances, so that a copy among the training samples outvotes the others without a division by zero.
        relative = distance / distance.max(axis=1, keepdims=True).clip(min=1e-12)
        code = self.code_[near]
        vote = self.weight_[code] * relative.clip(min=1e-6) ** -self.distance_power
        share = np.zeros((len(features), len(self.classes_)))
        np.add.at(share, (np.arange(len(features))[:, None], code), vote)
        return share / share.sum(axis=1, keepdims=True)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The class of most votes [n]."""
        return self.classes_[self.predict_proba(features).argmax(axis=1)]


def _scale(name: Scale) -> BaseEstimator:
    if name == "none":
        return FunctionTransformer()
    if name == "standard":
        return StandardScaler()
    return QuantileTransformer(n_quantiles=RANKS, subsample=None,  # pyright: ignore[reportArgumentType]
                               output_distribution="normal")


def _weight(name: ClassWeight) -> str | None:
    return None if name == "none" else name
