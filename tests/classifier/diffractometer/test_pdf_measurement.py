"""Each effect on a function of one peak or one wave."""

from math import pi

import numpy as np
import pytest
import torch

from classifier.diffractometer.pdf_measurement import PdfMeasurementConfig, drawn_pdf, measured_pdf
from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError

R = 1.5 + pi / 23 * torch.arange(209, dtype=torch.float64)
PEAK = torch.exp(-0.5 * ((R - 20) / 0.2)**2)[None, None]
ORDINARY = parse_config({"preset": "ordinary"}, PdfMeasurementConfig, source="test")
NONE = {"q_most": [99, 99], "q_damp": [0, 0], "q_broad": [0, 0]}
RIGHT = {"scale": [1, 1], "noise": [0, 0], "first_angstrom": [0, 0]}


def only(**effects) -> PdfMeasurementConfig:
    return parse_config(effects, PdfMeasurementConfig, source="test")


def test_a_range_that_ends_earlier_takes_the_waves_beyond():
    for wave, kept in ((12.0, 1.0), (20.0, 0.0)):
        curve = torch.sin(wave * R)[None, None]
        cut = measured_pdf(curve, R, only(resolution=NONE | {"q_most": [16, 16]}), [1])[0, 0]
        inner = slice(30, 180)  # ends are mirrors there, at which a wave has a kink
        assert float((cut - kept * curve)[0, 0, inner].abs().max()) < 0.1


def test_resolution_damps_and_broadens():
    damped = measured_pdf(PEAK, R, only(resolution=NONE | {"q_damp": [0.05, 0.05]}), [1])
    assert torch.allclose(damped, PEAK * torch.exp(-0.5 * (0.05 * R)**2))
    wide = measured_pdf(PEAK, R, only(resolution=NONE | {"q_broad": [0.1, 0.1]}), [1])
    variance = float((wide * (R - 20)**2).sum() / wide.sum())
    assert variance == pytest.approx(0.2**2 + (0.1 * 20 * 0.126)**2, rel=0.1)
    assert float(wide.sum()) == pytest.approx(float(PEAK.sum()), rel=0.02)


def test_scale_noise_and_missing_values():
    assert torch.allclose(measured_pdf(PEAK, R, only(errors=RIGHT | {"scale": [0.8, 0.8]}), [1]), 0.8 * PEAK)
    gone = measured_pdf(PEAK + 1, R, only(errors=RIGHT | {"first_angstrom": [2.0, 2.0]}), [1])[0, 0]
    assert (gone[R < 2] == 0).all() and torch.allclose(gone[R >= 2], (PEAK + 1)[0, 0][R >= 2])
    noise = measured_pdf(PEAK, R, only(errors=RIGHT | {"noise": [0.05, 0.05]}), [1]) - PEAK
    assert float(noise.std()) == pytest.approx(0.05, rel=0.05)
    power = np.abs(np.fft.rfft(noise[0, 0].numpy()))**2
    assert power[-40:].mean() > 5 * power[1:40].mean()


def test_a_sample_is_the_same_in_any_batch_and_what_was_drawn_is_told():
    both = measured_pdf(PEAK.repeat(2, 1, 1), R, ORDINARY, [7, 8])
    assert torch.allclose(both[1:], measured_pdf(PEAK, R, ORDINARY, [8])) and not torch.allclose(both[0], both[1])
    told = drawn_pdf(ORDINARY, range(30))
    assert len(told) == 6 and 16 <= float(told["resolution.q_most"].min())


def test_ideal_changes_nothing_and_faults_are_named():
    assert measured_pdf(PEAK, R, only(preset="ideal"), [0]) is PEAK
    with pytest.raises(InputError, match="one for each sample"):
        measured_pdf(PEAK, R, ORDINARY, [])
    with pytest.raises(InputError, match="preset must be one of"):
        only(preset="none")
