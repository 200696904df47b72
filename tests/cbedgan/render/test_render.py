"""The renderer beside the exact engine, on crystals of different systems; a batch is what its scenes are alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cbedgan.render.render import render, render_axes
from cbedgan.simulate.cbed.detector import View, simulate_views
from cbedgan.simulate.cbed.detector_config import DetectorConfig, RingDrift
from cbedgan.simulate.cbed.simulate_config import RenderConfig
from cbedgan.simulate.cbed.specimen import Specimen
from classifier.foundation.errors import InputError

EXACT = RenderConfig(reach_inv_angstrom=1.6, most_beams=1000, ring_drift_angstrom=0.7, samples_per_pixel=2)
BENT = View(None, Specimen((0.6, -0.4), 200.0, 3.0, 6.0, (0.3, 1.1)))  # tilted, wedged and bent
RAW = DetectorConfig(pose="raw", size_pixels=32, half_width=0.8, aperture_unit="mrad", aperture_radius=3.0,
                     directions_across=RingDrift(ring_drift_angstrom=0.7))


def likeness(one, other) -> float:
    """Correlation of log10(I + 1e-6)."""
    logarithms = [np.log10(np.asarray(image, np.float64).ravel() + 1e-6) for image in (one, other)]
    return float(np.corrcoef(logarithms)[0, 1])


@pytest.mark.parametrize(("name", "uvw", "least"), [
    ("gaas", [1, 1, 0], 0.9), ("gaas", [0, 0, 1], 0.92), ("zincite", [0, 0, 1], 0.98), ("rutile", [1, 0, 0], 0.94),
    ("monoclinic", [0, 1, 0], 0.93), ("monoclinic", [1, 0, 0], 0.92)])
def test_patterns_are_those_of_the_exact_engine(name, uvw, least, cut_along, scene, difference):
    piece, views = cut_along(name, uvw), (View(), BENT)
    fast, near = (scene(piece, views=views, widest=1.0, config=config) for config in (RenderConfig(), EXACT))
    exact = simulate_views(piece, fast.exposure, fast.detector, list(views), widest_tilt_mrad=1.0)
    for rendered, bar, error in zip(render([fast, near]), (least, 0.998), (0.2, 0.09), strict=True):
        for image, other in zip(rendered.images, exact, strict=True):
            assert likeness(image, other.image) > bar and difference(other.image, image) < error
            assert rendered.pixel_inv_angstrom[0] == pytest.approx(other.pixel_size_inv_angstrom)
            assert rendered.thickness_angstrom == pytest.approx(other.thickness_angstrom)


def test_a_raw_pattern_is_that_of_the_exact_engine(cut_along, scene, difference):
    made = scene(cut_along("monoclinic", [0, 1, 0]), detector=RAW, config=EXACT, azimuth=0.7)
    (exact,) = simulate_views(made.slab, made.exposure, RAW, [View()])
    ((found,),) = render_axes([(made.slab, made.exposure, RAW, [View()])], 0.0, config=EXACT)
    assert likeness(found.image, exact.image) > 0.998 and difference(exact.image, found.image) < 0.05
    assert found.azimuth_rad == 0.7 and found.detector == exact.detector
    assert found.pixel_size_inv_angstrom == exact.pixel_size_inv_angstrom
    assert found.semi_angle_mrad == pytest.approx(3.0) and found.slope == exact.slope


def test_most_of_the_incident_beam_reaches_a_wide_detector(cut_along, scene):
    made = scene(cut_along("gaas", [0, 0, 1]), detector=RAW.model_copy(update={"half_width": 3.0}), absorption=0.0)
    assert 0.95 < float(render([made])[0].images[0].sum()) <= 1.0 + 1e-4


def test_a_batch_is_what_its_scenes_are_alone(cut_along, scene, difference):
    """Other numbers of beams, energies, thicknesses, series, sizes of views, specimens and terraces side by side."""
    scenes = [scene(cut_along("gaas", [0, 0, 1]), views=(View(), BENT), widest=1.0),
              scene(cut_along("zincite", [0, 0, 1]), energy=200.0, thickness=[90.0, 300.0], views=(View(48),)),
              scene(cut_along("monoclinic", [1, 0, 0]), energy=80.0, thickness=[40.0, 80.0, 120.0]),
              scene(cut_along("rutile", [0, 0, 1]), detector=RAW, azimuth=0.4),
              scene(cut_along("monoclinic", [0, 1, 0]), thickness=7.0, config=EXACT)]
    together = render(scenes)
    for made, one in zip(scenes, together, strict=True):
        (alone,) = render([replace(made)])
        assert one._replace(images=[]) == alone._replace(images=[], thickness_angstrom=one.thickness_angstrom)
        for image, other in zip(one.images, alone.images, strict=True):
            assert image.shape == other.shape and difference(other, image) < 1e-5
    assert together[1].images[0].shape == (2, 48, 48) and len(together[2].images[0]) == 3


def test_a_thickness_of_a_series_is_that_thickness(cut_along, scene, difference):
    made = scene(cut_along("zincite", [1, 0, 0]), thickness=[60.0, 200.0], detector=RAW)
    (series,) = render([made])
    for image, thickness in zip(series.images[0], series.thickness_angstrom, strict=True):
        (alone,) = render([scene(made.slab, thickness=float(thickness), detector=RAW, config=RenderConfig())])
        # As many directions as the thickest asks for; the thin one alone takes fewer.
        assert difference(alone.images[0][0], image) < 0.01
    assert series.thickness_angstrom.tolist() == (np.round(np.array([60, 200]) / 3.25) * 3.25).tolist()


def test_a_view_of_another_size_is_the_same_pattern(cut_along, scene, difference):
    made = scene(cut_along("rutile", [0, 0, 1]), views=(View(), View(64)), config=EXACT)
    small, large = render([made])[0].images
    assert difference(small, large.unflatten(-1, (32, 2)).unflatten(-3, (32, 2)).sum((-1, -3))) < 0.02


def test_a_pattern_without_a_visible_disk_is_refused(cut_along, scene):
    nothing = scene(cut_along("gaas", [0, 0, 1]), thickness=1.0)
    rows = torch.zeros_like(nothing.atoms.rows)
    with pytest.raises(InputError, match="diffracted disk"):
        render([replace(nothing, atoms=replace(nothing.atoms, rows=rows))])


def test_what_is_no_pattern_is_refused_as_the_exact_engine_does(cut_along, scene):
    piece = cut_along("gaas", [0, 0, 1])
    with pytest.raises(InputError, match="must be positive"):
        render([scene(piece, thickness=[100.0, -1.0])])
    with pytest.raises(InputError, match="one pattern takes"):
        scene(piece, detector=RAW.model_copy(update={"aperture_unit": "spacing_at_100_kev"}))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_renders_what_a_processor_does(cut_along, scene, difference):
    pieces = [cut_along("zincite", [0, 0, 1]), cut_along("monoclinic", [1, 0, 0])]
    there, here = (render([scene(piece, views=(View(), BENT), widest=1.0, device=device) for piece in pieces])
                   for device in ("cuda", "cpu"))
    for one, other in zip(there, here, strict=True):
        for image, expected in zip(one.images, other.images, strict=True):
            assert image.device.type == "cuda" and difference(expected, image.cpu()) < 1e-4
