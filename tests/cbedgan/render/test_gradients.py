"""Gradients of rendered patterns beside finite differences, with the choices of the slab held."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from cbedgan.crystal.crystals import Crystal
from cbedgan.render.render import render
from cbedgan.render.scene import Atoms, Scene
from cbedgan.simulate.cbed.detector_config import DetectorConfig

# The turn puts no edge of a disk exactly on the edge of a pixel: there the share of a pixel has a kink.
RAW = DetectorConfig(pose="raw", size_pixels=24, half_width=0.6, aperture_unit="mrad", aperture_radius=3.0)
AZIMUTH = 0.3
WEIGHTS = torch.randn(24, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def primitive(made: Scene, crystal: Crystal) -> Atoms:
    """The atoms of the crystal's primitive cell, in place of all those of the slab."""
    lattice, sites, numbers = crystal.primitive()
    kinds = np.unique(made.slab.numbers).tolist()
    return Atoms(torch.from_numpy(np.array(lattice)), torch.from_numpy(np.array(sites)), made.atoms.rows,
                 torch.tensor([kinds.index(number) for number in numbers]))


def value(made: Scene, atoms: Atoms) -> torch.Tensor:
    """A number that all pixels have a part in, whatever the choices of `made` are."""
    moved = replace(made, atoms=atoms)
    moved.__dict__["cut"] = made.cut
    return (torch.log(render([moved])[0].images[0][0].double() + 1e-5) * WEIGHTS).sum()


@pytest.mark.parametrize(("name", "uvw"), [("zincite", [1, 0, 0]), ("monoclinic", [1, 0, 0]), ("gaas", [1, 1, 0])])
def test_gradients_are_those_of_finite_differences(name, uvw, crystals, cut_along, scene: Callable[..., Scene]):
    made = scene(cut_along(name, uvw), thickness=100.0, detector=RAW, azimuth=AZIMUTH)
    made = replace(made, atoms=primitive(made, crystals[name]))
    leaves = {part: getattr(made.atoms, part).clone().requires_grad_() for part in ("lattice", "sites", "rows")}
    value(made, replace(made.atoms, **leaves)).backward()
    draws = np.random.default_rng(1)
    for part, step in (("lattice", 3e-4), ("sites", 1e-3), ("rows", 1e-2)):  # against the rounding of float32
        leaf = leaves[part]
        direction = torch.from_numpy(draws.standard_normal(leaf.shape)).to(leaf)
        with torch.no_grad():
            ahead, behind = (value(made, replace(made.atoms, **{part: leaf + sign * step * direction}))
                             for sign in (1, -1))
        found = float((leaf.grad.conj() * direction).sum().real)
        assert abs(found - float(ahead - behind) / 2 / step) < 0.02 * float(leaf.grad.norm()), part


def test_canonical_pose_passes_gradients_without_a_warning(recwarn, cut_along, scene):
    made = scene(cut_along("monoclinic", [1, 0, 0]))
    lattice = made.atoms.lattice.clone().requires_grad_()
    render([replace(made, atoms=replace(made.atoms, lattice=lattice))])[0].images[0].square().sum().backward()
    assert torch.isfinite(lattice.grad).all() and lattice.grad.abs().max() > 0
    # Canonical pose: a turned crystal gives the same pattern.
    spin = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    frame = torch.from_numpy(made.slab.frame)
    turned = made.atoms.lattice @ frame.T @ spin @ frame
    assert abs(float((lattice.grad * turned).sum())) < 1e-3 * float(lattice.grad.norm() * turned.norm())
    assert not [one for one in recwarn if "scalar" in str(one.message)]
