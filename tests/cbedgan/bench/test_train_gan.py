"""The GAN's benchmark counts what it says, compares equal networks, and the plain loop computes the published loss."""

import json
import math
import tomllib

import pytest
import torch
from torch import nn

from cbedgan.bench import train_gan
from cbedgan.bench.costs import costs
from cbedgan.bench.gan_processes import Alone, Throughput, in_processes
from cbedgan.bench.plain_gan import PlainDiscriminator, PlainGenerator, discriminator_loss, train_step
from cbedgan.bench.train_gan import at_size
from cbedgan.bench.turns import SIDE
from cbedgan.gan.train_config import TrainGanConfig
from classifier.foundation.config import load_config, parse_config
from project import CONFIGS
from running import verb

CONFIG = CONFIGS / "bench" / "train_gan.toml"
CPU = torch.device("cpu")


class Slopes(nn.Module):
    """l(x, c) = slope_c * sum x."""

    def __init__(self, *slopes: float) -> None:
        super().__init__()
        self.slopes = nn.Parameter(torch.tensor(slopes))

    def forward(self, x: torch.Tensor, class_idx: torch.Tensor) -> torch.Tensor:
        return self.slopes[class_idx] * x.flatten(1).sum(1)


@pytest.mark.parametrize("gamma", [0.0, 0.5])
def test_the_plain_loss_by_hand(gamma) -> None:
    real, fake = torch.ones(2, 1, 2, 2), torch.zeros(2, 1, 2, 2)
    loss, logits_real = discriminator_loss(Slopes(1.0, -2.0), real, fake, torch.tensor([0, 1]), gamma)
    # l(real) = 4 and -8, l(fake) = 0; |grad l|^2 over 4 pixels = 4 slope^2 = 4 and 16, real and fake alike.
    relativistic = (math.log1p(math.exp(-4)) + math.log1p(math.exp(8))) / 2
    assert float(loss.detach()) == pytest.approx(relativistic + gamma / 2 * 2 * (4 + 16) / 2)
    assert logits_real.tolist() == [4.0, -8.0]


def test_the_plain_step_trains_both_networks_and_judges_in_between() -> None:
    torch.manual_seed(0)
    sizes = {"blocks": 1, "patch": 2, "channels": 3, "classes": 2}
    networks = [PlainDiscriminator((6, 4), features=8, **sizes), PlainGenerator((6, 4), latent_dim=8, **sizes)]
    real, class_idx = torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 0, 1])
    assert networks[1](torch.randn(4, 8), class_idx).shape == real.shape
    assert networks[0](real, class_idx).shape == (4,)
    before = [[weight.detach().clone() for weight in network.parameters()] for network in networks]
    optimisers = [torch.optim.Adam(network.parameters(), lr=1e-2, betas=(0.0, 0.9)) for network in networks]
    train_step(networks[1], networks[0], optimisers, real, class_idx, latent_dim=8, gamma=0.3)
    for network, held in zip(networks, before, strict=True):
        moved = [not torch.equal(weight, old) for weight, old in zip(network.parameters(), held, strict=True)]
        assert sum(moved) >= len(moved) - 1  # the constant of a difference of logits has no gradient
        assert all(weight.requires_grad for weight in network.parameters())


def test_costs_are_named_by_operation_and_side_and_are_shares() -> None:
    convolution, x = nn.Conv2d(8, 8, 3, padding=1), torch.randn(4, 8, 32, 32)
    found = costs(lambda: convolution(x), CPU, most=2)
    assert len(found) == 2 and sum(cost.share for cost in found) <= 1
    assert "convolution" in found[0].operation and found[0].side_pixels == 32


def test_other_sizes_keep_the_finest_widths_and_shrink_the_batch() -> None:
    config = load_config(CONFIG, TrainGanConfig)
    large, small = (at_size(config, size, CPU) for size in (256, 16))
    assert large.network.generator.widths == (112, 112, 112, 112, 96, 64, 32) and large.batch == 2
    assert small.network.discriminator.widths == (96, 64, 32) and small.batch == config.batch
    assert large.view.size_pixels == 256 and at_size(config, 64, CPU) == config
    assert at_size(config, 256, torch.device("cuda")).batch == config.batch


def tiny() -> str:
    """The configuration with networks of two small stages for 8-pixel stacks."""
    text = CONFIG.read_text().replace("[112, 112, 96, 64, 32]", "[8, 4]").replace("batch = 24", "batch = 4")
    return text.replace("size_pixels = 64", "size_pixels = 8").replace("every = 1 ", "every = 2 ")


@pytest.mark.slow
def test_it_reports_all_it_measured_and_cleans_up(tmp_path, capsys, monkeypatch) -> None:
    asked = []
    monkeypatch.setitem(SIDE, "cpu", 64)
    monkeypatch.setattr(train_gan, "in_processes",
                        lambda work, count: asked.append((work.config.view.size_pixels, count)) or Throughput(7.0, 9.0))
    (tmp_path / "tiny.toml").write_text(tiny())
    code = verb("bench", "train-gan", "--config", tmp_path / "tiny.toml", "--folder", tmp_path / "sets",
                "--size", "8", "--size", "16", "--processes", "2", "--classes", "3", "--steps", "1", "--repeats", "1",
                "--profile", "--json", tmp_path / "found.json")
    assert code == 0 and "dearest" in capsys.readouterr().out
    found = json.loads((tmp_path / "found.json").read_text())
    assert asked == [(8, 1), (16, 1), (8, 2)]  # memory, memory, scaling
    assert found["penalty_every"] == 2 and found["processes"] == {"2": 7.0}
    assert [one["size_pixels"] for one in found["sizes"]] == [8, 16]
    for one in found["sizes"]:
        ours, plain = one["ours"], one["plain"]
        assert one["ratio"] == pytest.approx(ours["images_per_second"] / plain["images_per_second"])  # a single turn
        assert ours["share_of_peak"] == pytest.approx(ours["gflops"] / one["peak_gflops"])
        assert 0.6 < ours["gflop_per_image"] / plain["gflop_per_image"] < 1
        assert len(one["costs"]) == 5 and one["megabytes"] == 9.0
    assert list((tmp_path / "sets").iterdir()) == []


@pytest.mark.slow
def test_processes_train_together_and_the_first_answers(tmp_path) -> None:
    config = parse_config(tomllib.loads(tiny()), TrainGanConfig, source="test")
    found = in_processes(Alone(config, tmp_path, classes=3, steps=1), 2)
    assert found.images_per_second > 0 and found.megabytes > 1


def test_a_size_that_no_number_of_stages_reaches_is_one_clear_line(tmp_path, capsys) -> None:
    code = verb("bench", "train-gan", "--config", CONFIG, "--folder", tmp_path, "--size", "48")
    assert code == 2 and "times 2^n" in capsys.readouterr().err
