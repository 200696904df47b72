"""Latents that can be drawn again one by one: every z has its own seed."""

import numpy as np
import torch


def z_seeds(*key: int, n: int, first: int = 0) -> np.ndarray:
    """Return the seeds number first .. first + n - 1 of the series named by the integers `key`, int64 [n], >= 0."""
    # Trailing zeros do not change a seed sequence: the length of the key keeps (1,) and (1, 0) apart.
    state = [np.random.SeedSequence([len(key), *key, number]).generate_state(1, np.uint64)
             for number in range(first, first + n)]
    return (np.array(state, dtype=np.uint64).reshape(n) >> np.uint64(1)).astype(np.int64)


def latents(seeds: np.ndarray, latent_dim: int) -> torch.Tensor:
    """Draw z float32 [n, latent_dim] from the standard normal; row i depends on seeds[i] alone."""
    rows = [np.random.default_rng(int(seed)).standard_normal(latent_dim, dtype=np.float32) for seed in seeds]
    return torch.from_numpy(np.array(rows, dtype=np.float32).reshape(len(seeds), latent_dim))
