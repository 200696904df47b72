import numpy as np
import pytest
import torch

from classifier.crystal.spacegroup import ClassMap
from classifier.network.symmetry_network import SymmetryClassifier, SymmetryConfig
from classifier.pattern.intensity import IntensityConfig, IntensityTransform
from classifier.pattern.measurement import MeasurementConfig
from classifier.samples.dataset import StackSet
from classifier.samples.measured_samples import Measurement
from classifier.stream.copies import Copies

MAP = ClassMap((14, 144, 145, 225))  # 144 and 145 are each other's mirror image
INTENSITY = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 1e-3
SCALE = IntensityTransform.fit(INTENSITY, IntensityConfig())
MEASUREMENT = Measurement(MeasurementConfig(electrons=1e6, centre_pixels=0.5), SCALE)
NAMES = np.array(list("abcdef"))


def samples() -> StackSet:
    class_idx = torch.tensor([0, 1, 2, 3, 0, 1])
    return StackSet(SCALE.normalise(INTENSITY), class_idx, torch.eye(4)[class_idx], NAMES, NAMES, NAMES,
                    np.full(6, "simulated"))


def network() -> SymmetryClassifier:
    torch.manual_seed(0)
    model = SymmetryConfig(kind="symmetry", width=8, hidden=8).build(
        classes=4, size_pixels=32, mirror_partner=MAP.mirror_partner(), space_groups=MAP.space_groups)
    model.fit(samples().x)
    return model.eval()


def copies(**changes: object) -> Copies:
    usual = {"draws": 3, "ideal_share": 0.0, "mirror": True, "measurement": MEASUREMENT, "cache": None, "key": {}}
    return Copies.of(network(), samples(), **usual | changes)


def test_copies_are_what_the_network_takes_of_measured_stacks_and_their_mirror_images() -> None:
    values, model = copies(ideal_share=0.25).values, network()
    assert values.shape[:3] == (6, 4, 2) and values.dtype == torch.float16
    with torch.inference_mode():
        torch.testing.assert_close(values[:, 0, 0].float(), model.fixed(samples().x), atol=2e-3, rtol=1e-2)
        third = MEASUREMENT.of(samples().x, NAMES, draw=3)
        torch.testing.assert_close(values[:, 3, 1].float(), model.fixed(third.flip(-2)), atol=2e-3, rtol=1e-2)
    assert not torch.equal(values[:, 1], values[:, 2])
    assert copies(measurement=None).values.shape[1] == 1


def test_a_draw_takes_each_copy_as_often_as_stated_and_moves_the_label_with_the_hand() -> None:
    values = torch.arange(8.0).view(1, 4, 2, 1, 1).expand(4, -1, -1, -1, -1).half()  # draw * 2 + hand
    one = Copies(values, ideal_share=0.4)
    rows = torch.arange(4).repeat(5000)
    seen, target = one.draw(rows, torch.eye(4)[rows], torch.Generator().manual_seed(0), MAP, slice(None))
    drawn, hand = (seen.flatten() // 2).long(), seen.flatten() % 2
    share = torch.bincount(drawn, minlength=4) / len(rows)
    torch.testing.assert_close(share, torch.tensor([0.4, 0.2, 0.2, 0.2]), atol=0.015, rtol=0)
    assert float(hand.mean()) == pytest.approx(0.5, abs=0.02)
    expected = torch.where(hand.bool(), torch.tensor([0, 2, 1, 3])[rows], rows)
    assert torch.equal(target.argmax(1), expected)
    part, same = one.draw(rows, torch.eye(4)[rows], torch.Generator().manual_seed(0), MAP, slice(7, 19))
    assert torch.equal(part, seen[7:19]) and torch.equal(same, target)  # a rank sees its rows of the same batch


def test_a_cache_gives_the_same_and_another_key_is_another_file(tmp_path) -> None:
    kept = copies(cache=tmp_path, key={"a": 1})
    again = copies(cache=tmp_path, key={"a": 1})
    assert torch.equal(kept.values, copies().values) and torch.equal(kept.values, again.values)
    assert len(list(tmp_path.glob("*.npy"))) == 1
    copies(cache=tmp_path, key={"a": 2})
    assert len(list(tmp_path.glob("*.npy"))) == 2
