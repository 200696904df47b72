"""Split, train-clf, judge and predict on made-up powder patterns: no stage but these few knows what they are."""

import json

import numpy as np
import pytest
import torch

from classifier.adjustment.head_training import measurement_of
from classifier.diffractometer.copies import PdfCopies
from classifier.diffractometer.pdf_measurement import PdfMeasurementConfig
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.judgement.judge import judge
from classifier.kind.pdf import Pdf
from classifier.pattern.condition import Condition
from classifier.prediction.answers import answer_stacks
from classifier.prediction.predict import Predictions, load_classifier
from classifier.samples.measured_samples import Measurement
from classifier.samples.sampletable import SampleTable
from classifier.samples.stackfile import write_stack_file
from classifier.samples.viewed import load_physical
from classifier.training.train import TrainClassifierConfig, train_classifier
from curves import KIND, TRAIN, curve, parted_curves


def config(**changes) -> TrainClassifierConfig:
    return parse_config(TRAIN | changes, TrainClassifierConfig, source="test")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return parted_curves(tmp_path_factory.mktemp("curves"))


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    stacks, parts = data
    return train_classifier(config(), stacks=stacks, split=parts, out=tmp_path_factory.mktemp("run"))


def test_a_network_learns_the_groups_and_is_judged(trained, tmp_path):
    found = Predictions.load(trained.parent / "predictions.npz").take("test")
    assert len(found.space_group) == 24 and (found.predicted() == found.space_group).mean() >= 0.9
    judge([trained.parent / "predictions.npz"], part="test", space_groups=None, out=tmp_path)
    assert json.loads((tmp_path / "judgement.json").read_text())["samples"] == 24


def test_new_curves_are_named_or_refused(trained, tmp_path):
    random = np.random.default_rng(5)
    sound = KIND.in_unit(np.stack([curve(139, random), curve(225, random)])[:, None])
    noise = random.random((1, *KIND.grid().shape), dtype=np.float32)
    table = SampleTable.build(3, sample_id=["a", "b", "noise"], origin="experimental")
    write_stack_file(tmp_path / "new.h5", np.concatenate([sound, noise]), table, detector=KIND.grid(), pose="raw",
                     intensity_unit=KIND.unit, provenance={})
    answers, _, _ = answer_stacks([load_classifier(trained)], tmp_path / "new.h5", top=2, accuracy=0.8)
    assert [answer.groups[0][0] for answer in answers[:2]] == [139, 225] and not answers[0].refusals
    assert answers[1].levels["bravais_lattice"][0] == "cF" and answers[1].levels["crystal_system"][0] == "cubic"
    assert any("noisier" in reason for reason in answers[2].refusals)


def test_samples_of_another_kind_or_axis_are_refused(trained, tmp_path):
    other = KIND.model_copy(update={"last": 80.0})
    write_stack_file(tmp_path / "other.h5", np.zeros((1, 1, 64), np.float32), SampleTable.build(
        1, sample_id=["a"], origin="experimental"), detector=other.grid(), pose="raw", intensity_unit=KIND.unit,
        provenance={})
    with pytest.raises(InputError, match="must be those of training"):
        answer_stacks([load_classifier(trained)], tmp_path / "other.h5", top=2, accuracy=0.8)


CONDITION: Condition = "ordinary"


@pytest.mark.parametrize("changes, said", [
    ({"augment": {}}, 'for CBED patterns; found samples of kind xrd. Write .augment. with kind = "curve"'),
    ({"model": {"widths": [8, 16], "groups": 4}}, 'kind = "residual" takes samples with 2 axes'),
    ({"judged_under": [CONDITION]}, "for CBED patterns alone"), ({"notice_mixed_up": True}, "for CBED patterns alone"),
    ({"measurement": {"electrons": 1e5}}, "for CBED patterns alone"),
    ({"measurement": {"kind": "pdf", "effects": {"preset": "ordinary"}}}, 'kind "pdf" is for samples of that kind'),
    ({"view": {"half_width": 1.0, "size_pixels": 16}}, "for CBED patterns alone"),
    ({"intensity": {"per_radius": True}}, "for patterns, which have rings")])
def test_what_is_of_cbed_says_so(data, tmp_path, changes, said):
    stacks, parts = data
    with pytest.raises(InputError, match=said):
        train_classifier(config(**changes), stacks=stacks, split=parts, out=tmp_path / "run")


def test_a_network_learns_from_measured_copies(data, tmp_path):
    """Each step draws new ones, seeded by the samples' names; trust is in measured patterns then."""
    stacks, parts = data
    asked = config(measurement={"kind": "xrd", "effects": {"preset": "ordinary"}}, ideal_share=0.25, images=64,
                   report_every_images=64)
    trained = load_classifier(train_classifier(asked, stacks=stacks, split=parts, out=tmp_path / "run"))
    again = Measurement(asked.measurement, trained.intensity, grid=trained.frame.grid)
    x = torch.from_numpy(trained.intensity.normalise(load_physical(stacks, trained.view)[0][:2]))
    copy = again.of(x, ["a", "b"])
    assert torch.equal(again.of(x, ["a", "b"]), copy) and torch.equal(again.of(x[1:], ["b"]), copy[1:])
    assert not torch.allclose(again.of(x, ["a", "b"], draw=1), copy, atol=0.02) and copy.amax(-1).allclose(x.amax(-1))
    assert trained.trust is not None and measurement_of(trained) == again


def test_functions_are_measured_about_their_mean():
    grid = Pdf().grid()
    curve = torch.from_numpy(Pdf().in_unit(np.sin(grid.axes[0].coordinates() * 2)[None, None]))
    ideal = PdfCopies(kind="pdf", effects=PdfMeasurementConfig()).copies(curve, ["a"], grid, seed=0, draw=0)
    assert torch.allclose(ideal, curve, atol=1e-6)
    ordinary = parse_config({"kind": "pdf", "effects": {"preset": "ordinary"}}, PdfCopies, source="t")
    copy = ordinary.copies(curve, ["a"], grid, seed=0, draw=0)
    assert copy.amin() == 0 and copy.amax() == 1 and not torch.allclose(copy, curve, atol=0.02)


def test_curves_have_no_views():
    with pytest.raises(InputError, match="curves have views"):
        config(model={"kind": "liu", "views": "mirror"})
