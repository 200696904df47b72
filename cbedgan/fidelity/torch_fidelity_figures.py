"""FID, KID over subsets, precision and recall by torch-fidelity, from features that are computed already: offline."""

import warnings
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cbedgan.fidelity.coverage import NEIGHBOURS
from cbedgan.fidelity.torchvision_ops import ensure_torchvision

KID_SUBSETS = 50


def torch_fidelity_figures(f: Float[Tensor, "n F"], reference: Float[Tensor, "m F"], seed: int) -> dict[str, float]:
    """FID, KID over subsets, precision and recall of features against those of a reference.

    {} where there are too few samples for the neighbours and subsets. FID is biased upwards by F / n: only its
    real-against-real value says what it means.
    """
    smaller = min(len(f), len(reference))
    if smaller < 2 * (NEIGHBOURS + 1):
        return {}
    ensure_torchvision()
    from torch_fidelity import calculate_metrics

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metrics = calculate_metrics(
            input1=_Rows(f), input2=_Rows(reference), feature_extractor=_handed_through(), batch_size=512, cuda=False,
            cache=False, save_cpu_ram=True, verbose=False, kid=True, fid=True, prc=True, prc_neighborhood=NEIGHBOURS,
            kid_subsets=KID_SUBSETS, kid_subset_size=min(1000, smaller // 2), rng_seed=seed)
    return {"fid": float(metrics["frechet_inception_distance"]),
            "kid_of_subsets": float(metrics["kernel_inception_distance_mean"]),
            "precision": float(metrics["precision"]), "recall": float(metrics["recall"])}


@cache
def _handed_through() -> str:
    """Register, once a process, the torch-fidelity extractor of features that are computed already; its name."""
    from torch_fidelity import register_feature_extractor
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase

    class Given(FeatureExtractorBase):
        """Its input is its feature."""

        get_provided_features_list = staticmethod(lambda: ("given",))
        get_default_feature_layer_for_metric = staticmethod(lambda metric: "given")
        can_be_compiled = staticmethod(lambda: False)
        get_dummy_input_for_compile = staticmethod(lambda: torch.zeros(1, 1))

        def __init__(self, name: str, features_list: list[str], **_: Any) -> None:
            super().__init__(name, features_list)

        def forward(self, x: Tensor) -> tuple[Tensor]:
            return (x,)

    register_feature_extractor("cbedgan-given", Given)
    return "cbedgan-given"


class _Rows(torch.utils.data.Dataset):
    """Rows of a tensor as torch-fidelity wants them: one tensor an item, no label."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows.float()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Tensor:
        return self.rows[index]
