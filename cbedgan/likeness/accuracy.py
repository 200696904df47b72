"""Classification accuracy score (Ravuri & Vinyals 2019, arXiv 1905.10887): learn the groups from generated stacks
alone, classify held-out real ones, and compare with having learned from as many real stacks."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from threadpoolctl import threadpool_limits

from cbedgan.likeness.measured_stacks import MeasuredStacks
from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.metrics import mean_present
from classifier.statistics.significance import Interval

REPLICATES = 500
INVERSE_STRENGTH = 0.01  # of the penalty: there are about as many features as stacks
RANKS = 200


def accuracy_score(learned_from: MeasuredStacks, held_out: MeasuredStacks, shot: Shaped[np.ndarray, " K"], seed: int
                   ) -> dict[str, Any]:
    """Balanced accuracy of all groups and of each shot group, with intervals that resample the held-out materials.

    A regression on ranked features, azimuthal ones where there are, the same for whatever it learns from.

    Parameters
    ----------
    learned_from, held_out : stacks
    shot : few, medium or many, of each class
    seed : of ranks and intervals
    """
    vectors = learned_from.f, held_out.f
    if learned_from.azimuthal is not None and held_out.azimuthal is not None:
        vectors = learned_from.azimuthal, held_out.azimuthal
    learned, asked = (each.numpy() for each in vectors)
    class_idx, truth = learned_from.class_idx.numpy(), held_out.class_idx.numpy()
    ranks = QuantileTransformer(n_quantiles=min(RANKS, len(class_idx)), random_state=seed)
    model = make_pipeline(ranks, StandardScaler(), LogisticRegression(
        C=INVERSE_STRENGTH, class_weight="balanced", max_iter=200))
    with threadpool_limits(torch.get_num_threads(), user_api="blas"):
        predicted = model.fit(learned, class_idx).predict(asked)
    recall = Bootstrap.draw(held_out.unit, replicates=REPLICATES, seed=seed).recall(truth, predicted, len(shot))
    scores = {"balanced_accuracy": mean_present(recall)}
    scores |= {f"{name}_recall": mean_present(recall[:, shot == name]) for name in ("few", "medium", "many")
               if np.isin(truth, np.flatnonzero(shot == name)).any()}
    return {name: Interval.of(values).content() for name, values in scores.items()}
