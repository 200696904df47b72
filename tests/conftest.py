"""Shared fixtures: one thread for torch, tiny stack files that a tiny network can learn from, and such networks."""

import os

from project import ROOT
from tiny import NETWORK, SPLIT, TRAIN

os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}  # also of the processes that tests start

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from classifier.pattern.geometry import Detector
from classifier.samples.dataset import StackSet, load_stack_set
from classifier.samples.stackfile import SampleTable, write_stack_file

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what needs networks that are trained first, and as fast every test that is not slow.

    The tests of the whole come first: one that takes minutes would keep a single worker busy at the end.
    """
    items.sort(key=lambda item: item.path.parent != ROOT / "tests")
    for item in items:
        if "tiny_networks" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
        if item.get_closest_marker("slow") is None:
            item.add_marker("fast")


@pytest.fixture
def tiny_stack_file(tmp_path: Path) -> Callable[..., Path]:
    """Factory of stack files with a spot whose place tells the space group; see `write_tiny_stack_file`."""
    count = 0
    def write(path: Path | None = None, **settings: object) -> Path:
        nonlocal count
        count += 1
        return write_tiny_stack_file(path or tmp_path / f"tiny_{count}.h5", **settings)
    return write


@pytest.fixture(scope="session")
def rock_salt_cif() -> Callable[..., str]:
    """rock_salt_cif(a=..., symmetry=..., column=(of Na, of Cl), other_column=None): a CIF; None leaves a column out."""
    def text(*, a: float = 5.64, symmetry: str = "_symmetry_space_group_name_H-M 'F m -3 m'",
             **columns: tuple[str, str] | None) -> str:
        place = {f"fract_{axis}": ("0", "0.5") for axis in "xyz"}
        sites = {"label": ("Na1", "Cl1"), "type_symbol": ("Na", "Cl"), **place, **columns}
        sites = {column: values for column, values in sites.items() if values is not None}
        cell = [f"_cell_length_{axis} {a}" for axis in "abc"] + [
            f"_cell_angle_{angle} 90" for angle in ("alpha", "beta", "gamma")]
        names, rows = (f"_atom_site_{column}" for column in sites), map(" ".join, zip(*sites.values(), strict=True))
        return "\n".join(["data_salt", *cell, symmetry, "loop_", *names, *rows, ""])
    return text


def write_tiny_stack_file(path: Path, *, space_groups: Sequence[int] = (216, 225, 186, 194), materials: int = 6,
                          size: int = 16, partition: bool = True, samples_per_material: int = 1,
                          origin: str = "simulated", seed: int = 0, cells: bool = False) -> Path:
    """Write a canonical-pose stack file: each group has `materials` materials in three structure types in turn.

    With `partition`, the third structure type is "test" and the others "train". Intensities lie in 1e-6..1e-1; the
    brightest spot but the direct one stands on a ring at an azimuth of (index of the group) / (number of groups) turns.
    cells: with the cell and optics of a square lattice of disks, which the spots do not lie on.
    """
    random = np.random.default_rng(seed)
    group, material, _ = (a.ravel() for a in np.indices((len(space_groups), materials, samples_per_material)))
    n, kind = len(group), material % 3
    side = (np.arange(size) + 0.5) / size * 2 - 1
    azimuth = 2 * np.pi * group / len(space_groups)
    spots = [(0.0, 0.0, 1e-1), (0.6 * np.cos(azimuth), 0.6 * np.sin(azimuth), 2e-2)]
    stacks = random.gamma(2.0, 2e-6, size=(n, 3, size, size)) + 1e-6
    for x, y, height in spots:
        distance2 = ((side - np.reshape(x, (-1, 1, 1))) ** 2 + (side[:, None] - np.reshape(y, (-1, 1, 1))) ** 2)
        stacks += height * random.uniform(0.7, 1.3, (n, 3, 1, 1)) * np.exp(-distance2 / 0.02)[:, None]
    numbers = np.asarray(space_groups)[group]
    known = {"cell_lengths_angstrom": np.full((n, 3), 5.0), "cell_angles_degree": np.full((n, 3), 90.0),
             "zone_axis_uvw": np.tile((0, 0, 1), (n, 3, 1)), "shortest_g_inv_angstrom": np.full((n, 3), 0.2),
             "convergence_semi_angle_mrad": np.full((n, 3), 2.5)} if cells else {}
    table = SampleTable.build(
        n, **known, sample_id=[f"{origin}-{i:04d}" for i in range(n)], space_group=numbers,
        material=[f"sg{g}-m{m}" for g, m in zip(numbers, material, strict=True)],
        structure_type=[f"sg{g}-t{k}" for g, k in zip(numbers, kind, strict=True)],
        formula=[f"A{m + 1}B" for m in material],
        partition=np.where(kind == 2, "test", "train") if partition else "", origin=origin, beam_energy_kev=100.0)
    write_stack_file(path, stacks.astype(np.float32), table, detector=Detector(size, 4 / size, "shortest_g"),
                     pose="canonical", intensity_unit="fraction of the incident beam per pixel",
                     provenance={"stage": "test"})
    return path


@dataclass(frozen=True)
class TinyNetworks:
    """Paths of a tiny stack file, its split, and networks of that split that know its four groups."""

    stacks: Path
    split: Path
    generator: Path
    classifier: Path
    second_classifier: Path

    def samples(self, network: Any, sample_ids: Sequence[str]) -> StackSet:
        """Some of the stacks as a classifier or a generator sees them."""
        return load_stack_set(self.stacks, class_map=network.class_map, view=network.view, intensity=network.intensity,
                              sample_ids=list(sample_ids))


@pytest.fixture(scope="session")
def tiny_networks(tmp_path_factory: pytest.TempPathFactory) -> TinyNetworks:
    """Two classifiers of different seeds, and a generator fitted to one latent for each training stack."""
    from cbedgan.gan.network.config import NetworkConfig
    from cbedgan.gan.network.contract import SampleSpec
    from cbedgan.gan.network.discriminator import Discriminator
    from cbedgan.gan.network.generator import TrainedGenerator
    from classifier.foundation.config import parse_config
    from classifier.prediction.predict import load_classifier
    from classifier.samples.split import SplitConfig, load_split, split
    from classifier.training.train import TrainClassifierConfig, train_classifier
    folder = tmp_path_factory.mktemp("networks")
    stacks = write_tiny_stack_file(folder / "stacks.h5", materials=9, cells=True)
    held = split(parse_config(SPLIT, SplitConfig, source="test"), stacks=stacks, out=folder / "split.json")
    config = parse_config(TRAIN | {"images": 1024, "report_every_images": 2048, "checkpoint_every_images": 2048},
                          TrainClassifierConfig, source="test")
    first, second = (train_classifier(config.model_copy(update={"seed": seed}), stacks=stacks, split=held,
                                      out=folder / f"classifier_{seed}") for seed in (1, 2))
    judged = load_classifier(first)
    real = load_stack_set(stacks, class_map=judged.class_map, view=judged.view, intensity=judged.intensity,
                          sample_ids=load_split(held, stack_digest=judged.stack_digest).parts["train"])
    network = parse_config(NETWORK, NetworkConfig, source="test")
    torch.manual_seed(0)
    spec = SampleSpec((3, 16, 16), judged.class_map, judged.view, judged.intensity)
    generator = network.generator.build(spec, network)
    discriminator = Discriminator(spec, network.discriminator, network)
    z, optimiser = torch.randn(len(real), 8), torch.optim.Adam(generator.parameters(), lr=5e-3)
    for _ in range(200):
        optimiser.zero_grad()
        (generator(z, real.class_idx) - real.x).square().mean().backward()
        optimiser.step()
    trained = TrainedGenerator(generator, discriminator, network, judged.class_map, judged.view, judged.frame,
                               judged.intensity, judged.split_digest, judged.stack_digest)
    trained.save(folder / "generator.safetensors")
    return TinyNetworks(stacks, held, folder / "generator.safetensors", first, second)
