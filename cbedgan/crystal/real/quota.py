"""How many real-derived crystals the parts of a group get."""

from typing import Annotated

from pydantic import Field

from classifier.foundation.config import Config


class RealDerivedConfig(Config):
    """The held-out parts of a set are two each: real-derived crystals, and those that a quota draws at random.

    test, validation: real-derived crystals of a group at most, of as many structure types as it has for the part;
    of_a_type, train_of_a_type: at most so many of one type, held out and to train on (the reserve among them); the rest
    of train is drawn; drawn_types: least number of structure types among the drawn crystals of a held-out part, all
    different where it is smaller.
    """

    test: Annotated[int, Field(ge=0)]
    validation: Annotated[int, Field(ge=0)]
    of_a_type: Annotated[int, Field(ge=1)]
    train_of_a_type: Annotated[int, Field(ge=1)]
    drawn_types: Annotated[int, Field(ge=0)]
