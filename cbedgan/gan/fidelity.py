"""How good generated stacks are, each figure beside the same figure for real stacks that stand in for generated ones.

The real train part is halved by material into a reference and a candidate half. Generated stacks of the candidate
half's classes, and the candidate half itself (the floor), are compared with the reference by the same functions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cbedgan.gan.torchvision_ops import ensure_torchvision
from classifier.model import ModelConfig, StackClassifier
from classifier.pattern import mirror_residual, n_fold_residual

NEIGHBOURS = 5
PROJECTIONS = 256
SPREAD_ALARM = 0.5
COPY_QUANTILE = 0.01
KID_SUBSETS = 50


def random_features(channels: int, size_pixels: int, seed: int = 0) -> Callable[[Tensor], Tensor]:
    """Features x [B, C, H, W] -> [B, F] of a fixed network with random weights, for want of a trained one."""
    halvings = next(n for n in (3, 2, 1, 0) if size_pixels % 2**n == 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = StackClassifier(ModelConfig(widths=(64, 64, 64)[:halvings], blocks=0, groups=1, dropout=0.0),
                                  classes=1, size_pixels=size_pixels, channels=channels).eval()
    return lambda x: network.features(x).detach()


def assess(real: Tensor, class_idx: Tensor, material: np.ndarray, generate: Callable[[Tensor], Tensor],
           features: Callable[[Tensor], Tensor], *, seed: int, limit: int) -> dict[str, Any]:
    """Compare generated with real samples; plain numbers, "generated" and "real" (the floor) side by side.

    real: x [N, C, H, W] of training samples with class_idx int64 [N] and material str [N]; generate: class_idx [M] ->
    x [M, C, H, W]; features: x -> [M, F]. At most `limit` real samples are used, drawn with `seed`.
    """
    rows = torch.from_numpy(np.sort(np.random.default_rng(seed).permutation(len(real))[:limit]))
    real, class_idx = real[rows], class_idx[rows]
    material = np.unique(material[rows.numpy()], return_inverse=True)[1]
    half = torch.from_numpy(halves(class_idx.numpy(), material, seed))
    code = torch.from_numpy(material)
    with torch.no_grad():
        reference, floor, generated = real[~half], real[half], generate(class_idx[half])
        f_reference, f_floor, f_generated = features(reference), features(floor), features(generated)
        everything = features(real)
    result: dict[str, Any] = {"samples": int(half.sum())}
    for name, x, f in (("generated", generated, f_generated), ("real", floor, f_floor)):
        result[name] = {
            "sliced_wasserstein": sliced_wasserstein(x.flatten(1), reference.flatten(1), seed),
            "sliced_wasserstein_features": sliced_wasserstein(f, f_reference, seed),
            **density_coverage(f, f_reference, code[~half]), **kid_precision_recall(f, f_reference, seed),
            **symmetry_difference(x, reference)}
    return result | {"spread": spread_ratio(f_generated, class_idx[half], everything, class_idx),
                     "copies": copies(generated.flatten(1), real.flatten(1), code)}


def halves(class_idx: np.ndarray, material: np.ndarray, seed: int) -> np.ndarray:
    """Put every other material of each class, in random order, into the candidate half: bool [N]."""
    random = np.random.default_rng([seed, 1])
    names, first, of_sample = np.unique(material, return_index=True, return_inverse=True)
    order = np.lexsort((random.random(len(names)), class_idx[first]))
    chosen = np.zeros(len(names), dtype=bool)
    chosen[order[1::2]] = True
    return chosen[of_sample]


def sliced_wasserstein(x: Tensor, y: Tensor, seed: int) -> float:
    """Root of the mean squared 1-D Wasserstein-2 distance between x [n, D] and y [m, D] along random directions.

    In units of one component of x; quantiles are matched where n and m differ.
    """
    draws = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(x.shape[1], PROJECTIONS, generator=draws), dim=0)
    at = (torch.arange(min(len(x), len(y))) + 0.5) / min(len(x), len(y))
    first, second = (_quantiles((samples @ directions).sort(0).values, at) for samples in (x, y))
    return float((first - second).square().mean().sqrt())


def density_coverage(f: Tensor, reference: Tensor, material: Tensor) -> dict[str, float]:
    """Density and coverage (arXiv 2002.09797) of features f [n, F] against reference [m, F] with material codes [m].

    Each reference sample spans a ball up to its k-th neighbour of another material, k = 5 or all there are; {} for a
    single material.
    """
    distance = torch.cdist(reference, reference)
    distance[material[:, None] == material[None]] = torch.inf
    k = min(NEIGHBOURS, int((distance[0] < torch.inf).sum()))
    if k == 0:
        return {}
    inside = torch.cdist(f, reference) <= distance.kthvalue(k, 1).values
    return {"density": float(inside.sum(1).float().mean() / k), "coverage": float(inside.any(0).float().mean())}


def kid_precision_recall(f: Tensor, reference: Tensor, seed: int) -> dict[str, float]:
    """KID, precision and recall of features f [n, F] against reference [m, F], by torch-fidelity, offline.

    {} where there are too few samples for the neighbours and subsets.
    """
    smaller = min(len(f), len(reference))
    if smaller < 2 * (NEIGHBOURS + 1):
        return {}
    ensure_torchvision()
    from torch_fidelity import calculate_metrics

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = calculate_metrics(
            input1=_Rows(f), input2=_Rows(reference), feature_extractor=_handed_through(), batch_size=512, cuda=False,
            cache=False, save_cpu_ram=True, verbose=False, kid=True, prc=True, prc_neighborhood=NEIGHBOURS,
            kid_subsets=KID_SUBSETS, kid_subset_size=min(1000, smaller // 2), rng_seed=seed)
    return {"kid": float(found["kernel_inception_distance_mean"]), "precision": float(found["precision"]),
            "recall": float(found["recall"])}


@cache
def _handed_through() -> str:
    """Register, once a process, the torch-fidelity extractor of features that are computed already; its name."""
    from torch_fidelity import register_feature_extractor
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase

    class Given(FeatureExtractorBase):
        """Its input is its feature."""

        get_provided_features_list = staticmethod(lambda: ("given",))
        get_default_feature_layer_for_metric = staticmethod(lambda _metric: "given")
        can_be_compiled = staticmethod(lambda: False)
        get_dummy_input_for_compile = staticmethod(lambda: torch.zeros(1, 1))

        def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
            super().__init__(name, features_list)

        def forward(self, x: Tensor) -> tuple[Tensor]:
            return (x,)

    register_feature_extractor("cbedgan-given", Given)
    return "cbedgan-given"


def spread_ratio(f: Tensor, class_idx: Tensor, real: Tensor, real_class: Tensor) -> dict[str, Any]:
    """Mean distance between two generated samples of a class over that of two real ones, per class with both.

    f [n, F], real [m, F] features. "alarm" lists the classes below one half: the sign of collapse within a class.
    """
    ratio = {}
    for k in real_class.unique().tolist():
        mine, theirs = (float(torch.pdist(x[c == k]).mean()) for x, c in ((f, class_idx), (real, real_class)))
        if np.isfinite(mine) and np.isfinite(theirs) and theirs > 0:
            ratio[k] = mine / theirs
    return {"ratio": ratio, "median": float(np.median(list(ratio.values()))) if ratio else None,
            "alarm": [k for k, value in ratio.items() if value < SPREAD_ALARM]}


def copies(generated: Tensor, real: Tensor, material: Tensor) -> dict[str, float]:
    """Are generated samples [n, D] nearer to a training sample [m, D] than different materials are to each other?

    distance_ratio: median nearest distance, generated over real-to-another-material; share: of generated samples below
    the first percentile of the latter (0.01 for samples as independent as materials).
    """
    distance = torch.cdist(real, real)
    distance[material[:, None] == material[None]] = torch.inf
    between = distance.amin(1)
    between = between[between < torch.inf]
    if not len(between):
        return {}
    nearest = torch.cdist(generated, real).amin(1)
    return {"distance_ratio": float(nearest.median() / between.median()),
            "share": float((nearest < between.quantile(COPY_QUANTILE)).float().mean())}


def symmetry_difference(x: Tensor, reference: Tensor) -> dict[str, float]:
    """Distance between the distributions of symmetry residuals of the patterns in x and reference [n, C, H, W].

    Mean over 2-, 3-, 4-, 6-fold axes and the best mirror of the 1-D Wasserstein-1 distance; visible symmetry depends on
    the unknown zone axis, so only distributions can be compared. {} for samples that are no patterns.
    """
    if x.ndim != 4:
        return {}
    at = (torch.arange(200) + 0.5) / 200
    gaps = []
    for measure in (*(partial(n_fold_residual, n=n) for n in (2, 3, 4, 6)), mirror_residual):
        first, second = (_quantiles(measure(patterns).flatten().sort().values[:, None], at)
                         for patterns in (x, reference))
        gaps.append((first - second).abs().mean())
    return {"symmetry_difference": float(torch.stack(gaps).mean())}


class _Rows(torch.utils.data.Dataset):
    """Rows of a tensor as torch-fidelity wants them: one tensor an item, no label."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows.float()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Tensor:
        return self.rows[index]


def _quantiles(ordered: Tensor, at: Tensor) -> Tensor:
    """Values of sorted columns [n, P] at the shares `at` [Q] of their order: [Q, P]."""
    return ordered[(at * len(ordered)).long().clamp(max=len(ordered) - 1)]
