"""Make `import torchvision` work where its compiled build does not match torch, before torch-fidelity imports it."""

import sys

import torch

_LIBRARY: torch.library.Library | None = None
"""Kept for the life of the process: a collected library takes its operators with it."""


def ensure_torchvision() -> None:
    """Import torchvision; where its C++ operators are missing, declare the two whose absence stops the import.

    A torchvision built for CUDA beside a CPU torch fails with "operator torchvision::nms does not exist". Nothing here
    calls these operators, so a declaration without a body is enough. Any other failure is passed on.
    """
    global _LIBRARY
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if _LIBRARY is not None or "torchvision::nms" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        _LIBRARY = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            _LIBRARY.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision  # noqa: F401
