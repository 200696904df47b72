import subprocess
import sys

import numpy as np
import pytest

import cbedgan
from cbedgan import shipped
from classifier.foundation.errors import InputError
from classifier.samples.stackfile import StackFile
from classifier.samples.viewed import load_physical
from project import ROOT, blocks
from running import verb


@pytest.fixture(scope="module")
def classifier():
    return cbedgan.load_classifier("builtin:demo")


def test_the_package_alone_loads_nothing_heavy():
    code = "import sys, cbedgan; assert not {'torch', 'numpy', 'scipy', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {"load_classifier", "load_generator", "distort"} <= set(cbedgan.__all__)
    with pytest.raises(AttributeError, match="no attribute 'load_clasifier'"):
        cbedgan.load_clasifier()


@pytest.mark.slow
def test_arrays_and_files_are_answered_alike(classifier, tmp_path):
    with StackFile(shipped.data_folder() / "demo.h5") as file:
        few = file.table.sample_id[[0, 100, 300]]
    intensity, table, _ = load_physical(shipped.data_folder() / "demo.h5", classifier.members[0].view, few.tolist())
    answers, probability = classifier.predict(intensity), classifier.predict_proba(intensity)
    assert [answer.groups[0][0] for answer in answers] == table.space_group.tolist()
    assert np.allclose(probability.sum(axis=1), 1) and probability.shape == (3, len(classifier.space_groups))
    for answer, row in zip(answers, probability, strict=True):
        assert classifier.space_groups[row.argmax()] == answer.groups[0][0]
        assert row.max() == pytest.approx(answer.groups[0][1], abs=1e-6)
    with pytest.raises(InputError, match="the array: must be intensities"):
        classifier.predict(intensity[:, :, 1:])


@pytest.mark.slow
def test_a_generator_draws_what_the_verb_draws(tmp_path):
    generator = cbedgan.load_generator("builtin:demo")
    drawn = generator.sample({225: 1, 123: 2}, seed=3, candidates=1)
    assert drawn.space_group.tolist() == [123, 123, 225] and drawn.intensity_unit.startswith("fraction")
    assert 0 < drawn.intensity.sum(axis=(2, 3)).max() <= 1 and len(drawn.crystals) == 3
    assert verb("sample", "--generator", "builtin:demo", "--groups", "225:1,123:2", "--seed", 3, "--candidates", 1,
                "--out", tmp_path / "drawn.h5", "--mantissa-bits", 23, "--workers", 1) == 0
    with StackFile(tmp_path / "drawn.h5") as file:
        assert np.allclose(file.read(np.arange(3)), drawn.intensity, rtol=1e-6, atol=0)
    lower = cbedgan.distort(drawn.crystals[2], 0.1)
    assert lower and all(crystal.space_group != 225 for crystal in lower)
    for wrong in (lambda: generator.sample({}), lambda: cbedgan.distort(drawn.crystals[0], 0.0)):
        with pytest.raises(InputError):
            wrong()


@pytest.mark.slow
def test_the_example_of_the_page_works(capsys):
    (_, _, example), = [block for block in blocks(ROOT / "docs/python.md") if block[0] == "python"]
    exec(example, {})
    assert capsys.readouterr().out.count("225 (") == 2
