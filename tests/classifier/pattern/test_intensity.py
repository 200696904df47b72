import numpy as np
import pytest
import torch

from classifier.foundation.errors import InputError
from classifier.pattern.intensity import IntensityConfig, IntensityTransform


def stacks(n: int = 6) -> np.ndarray:
    random = np.random.default_rng(0)
    values = 10 ** random.uniform(-9, -1, (n, 3, 16, 16))
    values[random.random(values.shape) < 0.1] = 0
    return values.astype(np.float32)


@pytest.mark.parametrize("per_radius", [False, True])
@pytest.mark.parametrize("transform", ["log", "fourth_root"])
def test_the_round_trip_is_exact_in_float32(transform: str, per_radius: bool) -> None:
    intensity = stacks()
    fitted = IntensityTransform.fit(intensity, IntensityConfig(transform=transform, per_radius=per_radius))
    x = fitted.normalise(intensity)
    assert x.dtype == np.float32 and x.shape == intensity.shape
    back = fitted.denormalise(x)
    assert (np.abs(back - intensity) / (intensity + 1e-6)).max() < 1e-5


@pytest.mark.parametrize("transform", ["log", "fourth_root"])
def test_x_spans_minus_one_to_one_on_the_training_part(transform: str) -> None:
    intensity = stacks()
    x = IntensityTransform.fit(intensity, IntensityConfig(transform=transform)).normalise(intensity)
    assert x.min() == pytest.approx(-1, abs=1e-6) and x.max() == pytest.approx(1, abs=1e-6)


def test_the_log_transform_has_its_stated_values() -> None:
    intensity = np.zeros((1, 3, 2, 2), np.float32)
    intensity[0, 0, 0] = [1.0, 3.0]
    fitted = IntensityTransform.fit(intensity, IntensityConfig(floor=1.0))
    assert fitted.normalise(intensity)[0, 0, 0].tolist() == pytest.approx([2 * np.log(2) / np.log(4) - 1, 1])


def test_rings_are_standardised_and_empty_rings_stay_quiet() -> None:
    intensity = stacks(40)
    intensity[:, :, :, :2] = 0
    intensity[:, :, :, -2:] = 0
    intensity[:, :, :2] = 0
    intensity[:, :, -2:] = 0
    fitted = IntensityTransform.fit(intensity, IntensityConfig(per_radius=True))
    x = fitted.normalise(intensity)
    assert x[:, :, 8, 8].std() == pytest.approx(1 / 3, rel=0.2) and abs(x[:, :, 7:9, 7:9].mean()) < 0.05
    assert (np.abs(x[:, :, 0, 0]) < 1e-3).all()


def test_torch_is_differentiable_and_agrees_with_numpy_without_a_copy() -> None:
    intensity = stacks()
    fitted = IntensityTransform.fit(intensity, IntensityConfig(per_radius=True))
    tensor = torch.from_numpy(intensity).requires_grad_()
    x = fitted.normalise(tensor)
    assert np.array_equal(x.detach().numpy(), fitted.normalise(intensity))
    gradient, = torch.autograd.grad(fitted.denormalise(x).sum(), tensor)
    assert torch.allclose(gradient[tensor > 1e-5], torch.ones(()), rtol=1e-3)


def test_x_below_zero_intensity_gives_zero() -> None:
    fitted = IntensityTransform.fit(stacks(), IntensityConfig())
    assert fitted.denormalise(torch.full((1, 3, 2, 2), -1.5)).abs().max() == 0


def test_the_state_restores_the_transform() -> None:
    intensity = stacks()
    fitted = IntensityTransform.fit(intensity, IntensityConfig(transform="fourth_root", per_radius=True))
    again = IntensityTransform.from_state(fitted.state())
    assert np.array_equal(again.normalise(intensity), fitted.normalise(intensity))


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="float32"):
        IntensityTransform.fit(np.full((1, 3, 2, 2), 1e38, np.float32), IntensityConfig(floor=1e-6))
    config = IntensityConfig(per_radius=True)
    with pytest.raises(InputError, match="floor"):
        IntensityTransform.fit(stacks(), config.model_copy(update={"floor": 0.0}))
    with pytest.raises(InputError, match="above zero"):
        IntensityTransform.fit(np.zeros((1, 3, 4, 4), np.float32), config)
    with pytest.raises(InputError, match="rings"):
        IntensityTransform.fit(stacks(), config).normalise(np.ones((1, 3, 32, 32), np.float32))
