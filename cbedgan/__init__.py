"""Minority-class augmentation and boundary analysis for convergent-beam electron diffraction."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cbedgan.api import DrawnSamples, LoadedClassifier, LoadedGenerator, distort, load_classifier, load_generator

__version__ = "0.2.0"
__all__ = ["DrawnSamples", "LoadedClassifier", "LoadedGenerator", "distort", "load_classifier", "load_generator"]


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for: `import cbedgan` alone loads nothing heavy."""
    if name in __all__:
        return getattr(import_module("cbedgan.api"), name)
    raise AttributeError(f"module 'cbedgan' has no attribute {name!r}")
