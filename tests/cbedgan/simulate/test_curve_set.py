"""Sets of curves: what the file holds, shares that give the same file, and what configurations refuse."""

import json
from math import pi

import numpy as np
import pytest
import torch

from cbedgan.crystal.cif import write_cif
from cbedgan.crystal.prototypes import known_crystals
from cbedgan.crystal.structure_files import crystals_from_files
from cbedgan.simulate.curve_set import PdfSetConfig, XrdSetConfig
from cbedgan.simulate.manifest import Share
from cbedgan.simulate.pdf.render_pdf import min_max, render_pdf
from cbedgan.simulate.set_config import load_set_config
from cbedgan.simulate.simulate import simulate
from cbedgan.simulate.xrd.render_xrd import render_xrd
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.samples.stackfile import StackFile
from project import ROOT

PDF = {"kind": "pdf", "seed": 3, "crystals": {"groups": []}, "mantissa_bits": 23}
XRD = {"kind": "xrd", "seed": 3, "crystals": {"groups": []}, "pattern": {"preset": "nanox81"}, "mantissa_bits": 23}


@pytest.fixture(scope="module")
def cifs(tmp_path_factory):
    """Structure files of three crystals of three groups."""
    folder = tmp_path_factory.mktemp("cifs")
    for place in (0, 2, 11):
        write_cif(folder / f"{place}.cif", known_crystals()[place])
    return folder


@pytest.mark.slow
def test_functions_of_structure_files(cifs, tmp_path):
    config = parse_config(PDF, PdfSetConfig, source="test")
    with StackFile(simulate(config, out=tmp_path / "pdf.h5", workers=1, crystals=cifs)) as file:
        samples, table, grid = file.read(np.arange(3)), file.table, file.grid
    crystals = {crystal.material: crystal for crystal in crystals_from_files(cifs)}
    wanted = min_max(render_pdf([crystals[name] for name in table.sample_id.tolist()], config.function))
    assert samples[:, 0] == pytest.approx(wanted.numpy(), abs=1e-4)
    assert grid.kind == "pdf" and grid.axes[0].coordinates()[:2] == pytest.approx([1.5, 1.5 + pi / 23])
    assert set(table.space_group.tolist()) == {crystal.space_group for crystal in crystals.values()}


@pytest.mark.slow
def test_measured_patterns_tell_what_was_drawn_and_shares_make_the_same_file(cifs, tmp_path):
    config = parse_config(XRD | {"measurement": {"preset": "ordinary"}, "pattern": {
        "preset": "nanox81", "orientation": {"march": [0.5, 1.0]}}}, XrdSetConfig, source="test")
    whole = simulate(config, out=tmp_path / "whole.h5", workers=1, crystals=cifs)
    for number in (2, 1):
        simulate(config, out=tmp_path / "shares.h5", workers=1, crystals=cifs, share=Share(number, 2))
    shared = simulate(config, out=tmp_path / "shares.h5", workers=1, crystals=cifs)
    with StackFile(whole) as file, StackFile(shared) as same:
        assert file.digest == same.digest and file.grid.axes[0].name == "two_theta"
        told = [json.loads(one) for one in file.table.provenance.tolist()]
        samples = file.read(np.arange(3))
    assert all(0.5 <= one["orientation"]["march"] <= 1 and len(one["measured"]) == 13 for one in told)
    ideal = render_xrd(crystals_from_files(cifs), config.pattern.model_copy(update={"orientation": None}))
    assert samples.shape == (3, 1, 180) and samples.max() == 1 and samples.min() >= 0
    assert not torch.allclose(torch.from_numpy(samples[:, 0]), ideal, atol=0.05)


@pytest.mark.parametrize("kind", ["xrd", "pdf"])
def test_configurations_that_come_along_are_read(kind):
    config = load_set_config(ROOT / "configs" / kind / "demo.toml")
    assert config.kind == kind and len(config.crystals.groups) == 8 and config.samples.grid().kind == kind


def test_faults_are_named(cifs, tmp_path):
    (tmp_path / "set.toml").write_text('kind = "sound"\n')
    with pytest.raises(InputError, match="kind must be one of xrd, pdf"):
        load_set_config(tmp_path / "set.toml")
    small = parse_config(PDF | {"maximum_primitive_atoms": 4}, PdfSetConfig, source="test")
    with pytest.raises(InputError, match="more than 4"):
        simulate(small, out=tmp_path / "pdf.h5", workers=1, crystals=cifs)
