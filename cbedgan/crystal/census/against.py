"""What a source draws against crystals that exist, or materials derived from them: group by group, as many of each."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from cbedgan.crystal.census.two_sample import TwoSampleTest, two_sample_test
from cbedgan.crystal.crystals import Crystal
from cbedgan.crystal.plan import CrystalConfig
from cbedgan.crystal.prototypes import PrototypeConfig, prototypes, substituted
from cbedgan.crystal.sources import CrystalSource
from cbedgan.crystal.structure_files import crystals_from_files
from classifier.foundation.errors import InputError
from classifier.foundation.run import progress

PROTOTYPES = "prototypes"
SUBSTITUTIONS = 20  # draws of other elements, until one suits a prototype


def told_apart(config: CrystalConfig, against: str, *, seed: int) -> TwoSampleTest:
    """Test what `config.random` draws against "prototypes" with other elements, or a structure file or folder."""
    source = config.random
    if source is None:
        raise InputError(source="crystals.random", rule="the configuration must say what crystals are drawn from",
                         value="no such table", remedy="Take one of configs/bench, or add the table.")
    reference = list(derived(config, seed)) if against == PROTOTYPES else crystals_from_files(Path(against))
    pairs = list(drawn_like(reference, source, seed))
    return two_sample_test([drawn for drawn, _ in pairs], [like for _, like in pairs], seed=seed)


def derived(config: PrototypeConfig, seed: int) -> Iterator[Crystal]:
    """Yield one material of each prototype that is small enough, with other elements."""
    small = [one for one in prototypes() if one.n_primitive <= config.maximum_primitive_atoms]
    for rank, prototype in enumerate(small):
        draws = (substituted(prototype, config, np.random.default_rng([seed, rank, draw]))
                 for draw in range(SUBSTITUTIONS))
        crystal = next((one for one in draws if one is not None), None)
        if crystal is not None:
            yield crystal


def drawn_like(reference: Sequence[Crystal], source: CrystalSource, seed: int) -> Iterator[tuple[Crystal, Crystal]]:
    """Yield (a crystal of the source, one of the reference), group by group; no pair where all attempts fail."""
    with progress(f"drawing crystals, {source.kind}", len(reference)) as bar:
        for rank, like in enumerate(reference):
            draws = (source.draw(like.space_group, np.random.default_rng([seed, like.space_group, rank, draw]))
                     for draw in range(source.attempts))
            crystal = next((one for one in draws if one is not None and one.space_group == like.space_group), None)
            if crystal is not None:
                yield crystal, like
            bar.advance()


def told_apart_table(test: TwoSampleTest, against: str) -> Table:
    """The test, to print on a rich console: each descriptor alone, then the classifier of all."""
    table = Table(f"{test.n_a} of each", "drawn", against, "AUC", box=SIMPLE_HEAD)
    for name, area in test.by_descriptor.items():
        medians = [f"{value:.2f}" for value in test.medians[name]]
        table.add_row(name.replace("_", " "), *medians, f"{area:.3f}")
    low, high = test.interval
    table.add_row("all, cross-validated", "", "", f"{test.auc:.3f} ({low:.3f} to {high:.3f})")
    return table
