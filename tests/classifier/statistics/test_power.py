"""The detectable difference: against a simulation of the same model, and how types and groups weigh."""

import numpy as np
import pytest

from classifier.statistics.power import detectable_difference

# Two groups: three types of 8, 2 and 2 materials; one type of 6.
GROUP = np.repeat([14, 225], [12, 6])
TYPE = np.repeat(["a", "b", "c", "a"], [8, 2, 2, 6])


def test_independent_materials_are_a_textbook_case():
    found = detectable_difference(np.full(100, 1), np.arange(100).astype(str), discordant=0.2, within_type=0.9)
    assert found == pytest.approx((1.959964 + 0.841621) * np.sqrt(0.2 / 100))


def test_alike_materials_tell_as_much_as_their_types():
    ten = detectable_difference(np.full(50, 1), np.repeat(list("abcdefghij"), 5), discordant=0.2, within_type=1.0)
    assert ten == pytest.approx(detectable_difference(np.full(10, 1), np.array(list("abcdefghij")), discordant=0.2,
                                                      within_type=0.0))


def test_a_type_is_one_of_its_group():
    shared = detectable_difference(GROUP, TYPE, discordant=0.2, within_type=0.5)
    renamed = detectable_difference(GROUP, np.where(GROUP == 225, "z", TYPE), discordant=0.2, within_type=0.5)
    assert shared == pytest.approx(renamed)


@pytest.mark.parametrize("within_type", [0.0, 0.4])
def test_four_of_five_tests_find_it(within_type: float):
    generator, discordant, trials = np.random.default_rng(0), 0.2, 20000
    _, kind = np.unique(np.char.add(GROUP.astype(str), TYPE), return_inverse=True)

    def differences(true: float) -> np.ndarray:
        """What trials show; two materials of a type share its outcome with the probability within_type."""
        shares = [(discordant - true) / 2, 1 - discordant, (discordant + true) / 2]
        own, of_type = (generator.choice([-1, 0, 1], p=shares, size=(trials, len(GROUP))) for _ in range(2))
        shared = generator.random(own.shape) < np.sqrt(within_type)
        outcome = np.where(shared, of_type[:, kind], own)
        return (outcome[:, GROUP == 14].mean(axis=1) + outcome[:, GROUP == 225].mean(axis=1)) / 2

    # So few materials cannot tell less than all that differs: the spread is what counts.
    found = detectable_difference(GROUP, TYPE, discordant=discordant, within_type=within_type)
    assert differences(0.0).std() * (1.959964 + 0.841621) == pytest.approx(found, rel=0.03)
