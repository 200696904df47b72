"""The features of training stacks, kept with a classifier: how far a stack lies from them, and which are nearest."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

ROWS = 4096  # of a bank, at most


@dataclass(frozen=True, eq=False)
class FeatureBank:
    """Features of M training stacks as float16 [M, F] in units of scale float32 [F], with their labels.

    material: str [M]; space_group: int64 [M].
    """

    features: np.ndarray
    scale: np.ndarray
    material: np.ndarray
    space_group: np.ndarray

    @classmethod
    def build(cls, features: np.ndarray, material: np.ndarray, space_group: np.ndarray) -> "FeatureBank":
        """Keep features float32 [M, F] of training stacks."""
        scale = np.maximum(features.std(axis=0), 1e-6).astype(np.float32)
        limit = np.finfo(np.float16).max
        return cls(np.clip(features / scale, -limit, limit).astype(np.float16), scale, material, space_group)

    @cached_property
    def _whitening(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean [F] and matrix [F, F] after which the bank has no covariance, shrunk by Ledoit and Wolf (2004)."""
        from sklearn.covariance import ledoit_wolf  # here: reading a classifier for anything else needs no second more

        features = self.features.astype(np.float64)
        covariance, _ = ledoit_wolf(features)
        values, vectors = np.linalg.eigh(covariance)
        # A bank of one stack, or of equal ones, has no covariance at all.
        values = np.maximum(values, max(1e-9, 1e-9 * float(values[-1])))
        return features.mean(axis=0), vectors / np.sqrt(values)

    def whitened(self, features: np.ndarray) -> np.ndarray:
        """Features float64 [N, F] less the bank's mean, in directions and units in which it has no covariance."""
        mean, matrix = self._whitening
        return (np.asarray(features, dtype=np.float64) / self.scale - mean) @ matrix

    def distance(self, features: np.ndarray) -> np.ndarray:
        """Mahalanobis distance float64 [N] of features [N, F] from the bank, of about 1 for the bank itself.

        One mean for all classes (Kamoi and Kobayashi 2020, arXiv 2003.00402): it told what is not CBED from what is
        better than the distance to the nearest class mean, energy, or the nearest training features.
        """
        return np.sqrt(np.square(self.whitened(features)).mean(axis=1))

    def nearest(self, features: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows int64 [N, n] of the nearest materials, each once, nearest first, and distances float64 [N, n].

        The distance is 1 - cosine between whitened features: 0 to 2.
        """
        mine, others = (white / np.maximum(np.linalg.norm(white, axis=1, keepdims=True), 1e-12)
                        for white in (self.whitened(features), self.whitened(self.features * self.scale)))
        distance = 1 - mine @ others.T
        order = np.argsort(distance, axis=1, kind="stable")
        _, code = np.unique(self.material, return_inverse=True)
        count = min(count, code.max() + 1)
        rows = np.array([each[np.sort(np.unique(code[each], return_index=True)[1])[:count]] for each in order],
                        dtype=np.int64).reshape(-1, count)
        return rows, np.take_along_axis(distance, rows, axis=1)

    def state(self) -> dict[str, Any]:
        """Return plain values and tensors for a checkpoint."""
        return {"features": torch.from_numpy(self.features), "scale": torch.from_numpy(self.scale),
                "material": self.material.tolist(), "space_group": self.space_group.tolist()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "FeatureBank":
        """Rebuild the bank from `state()`; what does not fit together is a ValueError."""
        bank = cls(state["features"].numpy(), state["scale"].numpy(), np.array(state["material"], dtype=str),
                   np.array(state["space_group"], dtype=np.int64))
        rows, columns = bank.features.shape
        if not rows == len(bank.material) == len(bank.space_group) or bank.scale.shape != (columns,):
            raise ValueError(f"a bank of {rows} stacks with {len(bank.material)} materials")
        return bank


def bank_rows(material: np.ndarray, *, seed: int) -> np.ndarray:
    """Choose at most ROWS of the training stacks, int64 ascending: one of every material first, then a second ..."""
    shuffled = np.random.default_rng(seed).permutation(len(material))
    _, code = np.unique(material[shuffled], return_inverse=True)
    order = np.argsort(code, kind="stable")
    first = np.searchsorted(code[order], code[order])
    turn = np.empty(len(code), dtype=np.int64)
    turn[order] = np.arange(len(code)) - first
    return np.sort(shuffled[np.argsort(turn, kind="stable")[:ROWS]])
