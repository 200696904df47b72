"""The ways to choose what to label next, by name; apart, so that the command line names them without loading them."""

from typing import Literal

Strategy = Literal["random", "entropy", "margin", "bald", "core_set", "boundary"]
