"""Classification accuracy score (Ravuri & Vinyals 2019, arXiv 1905.10887): learn the groups from generated stacks
alone, classify held-out real ones, and compare with having learned from as many real stacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from threadpoolctl import threadpool_limits
from torch import Tensor

from classifier.statistics.bootstrap import Bootstrap
from classifier.statistics.metrics import mean_present
from classifier.statistics.significance import Interval

REPLICATES = 500
INVERSE_STRENGTH = 0.01  # of the penalty: there are about as many features as stacks
RANKS = 200


def accuracy_score(learned_from: Tensor, held_out: Tensor, class_idx: np.ndarray, truth: np.ndarray,
                   material: np.ndarray, shot: np.ndarray, seed: int) -> dict[str, Any]:
    """Balanced accuracy on held-out vectors [m, D] of truth [m] after learning from vectors [n, D] of class_idx [n].

    Of all groups and of each shot group (shot: str [K]), with intervals that resample the held-out materials; a
    regression on ranked features, the same for whatever it learns from.
    """
    ranks = QuantileTransformer(n_quantiles=min(RANKS, len(class_idx)), random_state=seed)
    model = make_pipeline(ranks, StandardScaler(), LogisticRegression(
        C=INVERSE_STRENGTH, class_weight="balanced", max_iter=200))
    with threadpool_limits(torch.get_num_threads(), user_api="blas"):
        predicted = model.fit(learned_from.numpy(), class_idx).predict(held_out.numpy())
    recall = Bootstrap.draw(material, replicates=REPLICATES, seed=seed).recall(truth, predicted, len(shot))
    scores = {"balanced_accuracy": mean_present(recall)}
    scores |= {f"{name}_recall": mean_present(recall[:, shot == name]) for name in ("few", "medium", "many")
               if np.isin(truth, np.flatnonzero(shot == name)).any()}
    return {name: Interval.of(values).content() for name, values in scores.items()}
