"""A set of a few rendered crystals, its split, and a training of seconds."""

from small_crystals import small_set, small_simulation, small_training, trained

__all__ = ["small_set", "small_simulation", "small_training", "trained"]
