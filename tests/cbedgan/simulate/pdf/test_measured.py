"""Functions beside measured ones, at the defaults: the same peaks. Skipped where the measured files are not there."""

import gemmi
import numpy as np
import pytest
import torch

from cbedgan.simulate.pdf.pdf_config import PdfConfig
from cbedgan.simulate.pdf.render_pdf import pdf
from cbedgan.simulate.powder.scatterers import Scatterers
from project import ROOT

MEASURED = ROOT.parent / "shared/data/measured/pdf"


def measured(name: str) -> np.ndarray:
    """r and G(r) [n, 2] of a .gr file, whose header ends with the last line that begins with #."""
    lines = (MEASURED / name).read_text().splitlines()
    first = max(k for k, line in enumerate(lines) if line.startswith("#")) + 1
    return np.array([[float(word) for word in line.split()[:2]] for line in lines[first:] if line.strip()])


def structure(name: str, exchanged: dict[int, int]) -> Scatterers:
    """All sites of a CIF, of one element each; exchanged: {atomic number in the file: instead, 0 for none}."""
    read = gemmi.read_small_structure(str(MEASURED / name))
    sites = {}
    for site in read.get_all_unit_cell_sites():
        number = exchanged.get(site.element.atomic_number, site.element.atomic_number)
        if number:
            sites[tuple(np.round(np.array(site.fract.tolist()) % 1, 4))] = number
    kinds, kind = np.unique(list(sites.values()), return_inverse=True)
    lattice, positions = (torch.tensor(np.array(part))[None] for part in (np.array(read.cell.orth.mat.tolist()).T,
                                                                          list(sites)))
    one = torch.ones(1, len(kinds), 1, dtype=torch.float64)
    return Scatterers(lattice, positions, torch.ones(1, len(sites), dtype=torch.float64), torch.tensor(kind)[None],
                      torch.tensor(kinds)[None, :, None], one, 0 * one[..., 0])


@pytest.mark.slow
@pytest.mark.skipif(not MEASURED.exists(), reason="needs the measured functions")
@pytest.mark.parametrize("cif, gr, q_most, exchanged", [
    ("225_Ni.cif", "225_Ni.gr", 24.0, {}),
    ("139_SrFe2As2.cif", "139_SrFe2As2_246K.gr", 25.0, {56: 38, 11: 0})])  # the file is of Ba0.7 Na0.3 Fe2 As2
def test_measured_functions_have_the_same_peaks(cif, gr, q_most, exchanged):
    config = PdfConfig(q_most=q_most, step_angstrom=0.05)
    r, (places, values) = config.r_angstrom(), measured(gr).T
    made, seen = pdf(structure(cif, exchanged), config)[0].numpy(), np.interp(r, places, values)
    assert np.corrcoef(made, seen)[0, 1] > 0.95
    assert abs(r[r < 3.2][made[r < 3.2].argmax()] - r[r < 3.2][seen[r < 3.2].argmax()]) < 0.1
