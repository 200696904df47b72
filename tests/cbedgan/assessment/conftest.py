"""A set of a few rendered crystals, and a generator of crystals trained on it in seconds."""

from small_crystals import small_set, small_simulation, small_training, trained

__all__ = ["small_set", "small_simulation", "small_training", "trained"]
