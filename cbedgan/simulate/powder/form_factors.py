"""How strongly an atom scatters X-rays: International Tables 1992 form factors, as one table that is read once."""

from collections.abc import Callable
from functools import cache

import gemmi
import torch
from jaxtyping import Float, Int
from torch import Tensor

from classifier.foundation.errors import InputError

FormFactors = Callable[[Int[Tensor, "B K M"], Float[Tensor, "B H"]], Float[Tensor, "B H K M"]]
"""Atomic numbers and s^2 = (sin theta / wavelength)^2 in 1/angstrom^2, to electrons; number 0 is no atom."""


def xray_form_factors(numbers: Int[Tensor, "B K M"], s2: Float[Tensor, "B H"]) -> Float[Tensor, "B H K M"]:
    """Form factors in electrons of neutral atoms: sum a exp(-b s^2) + c, valid to s = 2 per angstrom.

    Parameters
    ----------
    numbers : atomic numbers, 0: no atom
    s2 : (sin theta / wavelength)^2 in 1/angstrom^2
    """
    row = _table().to(s2)[numbers][:, None]
    height, width, rest = row[..., :4], row[..., 4:8], row[..., 8]
    return (height * torch.exp(-width * s2[:, :, None, None, None])).sum(-1) + rest


def check_scatters(number: int, source: str) -> None:
    """InputError where the element has no form factor; source: of the crystal."""
    if gemmi.Element(number).it92 is None or number >= len(_table()):
        raise InputError(source=source, rule="every element must have an X-ray scattering factor (Z = 1 to 98)",
                         value=f"Z = {number}", remedy="Leave this crystal out.")


@cache
@torch.inference_mode(False)  # what is kept serves gradients too, whoever asks first
def _table() -> Float[Tensor, "99 9"]:
    """a, b and c of each element; row 0 is no atom."""
    rows = torch.zeros(99, 9, dtype=torch.float64)
    for number in range(1, len(rows)):
        factor = gemmi.Element(number).it92
        rows[number] = torch.tensor([*factor.a, *factor.b, factor.c], dtype=torch.float64)
    return rows
