"""The benchmark of training counts work rightly, compares networks of equal work, and leaves nothing behind."""

import json
import tomllib

import pytest
import torch
from torch import nn

from cbedgan.bench.plain_resnet import PlainResidualBlock, plain_resnet, train_step
from cbedgan.bench.train_classifier import equal_work, operations
from cbedgan.bench.turns import SIDE
from classifier.foundation.config import parse_config
from classifier.training.train_config import TrainClassifierConfig
from project import CONFIGS
from running import verb
from tiny import merged, toml

DEMO = CONFIGS / "demo" / "train_clf.toml"
RESIDUAL = {"model": {"kind": "residual", "widths": [32, 64, 128], "blocks": 1, "groups": 8, "dropout": 0.2}}


@pytest.mark.slow
def test_operations_of_a_convolution_and_a_head_are_counted_by_hand() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 5))
    convolution, head = 2 * 4 * 3 * 9 * 64, 2 * 256 * 5
    # Backwards the convolution has no gradient for x; the head has one for its weights and one for its input.
    assert operations(network, torch.zeros(2, 3, 8, 8)) * 1e9 == pytest.approx(2 * convolution + 3 * head)


@pytest.mark.parametrize("block, stem, side", [("basic", 0, 4), ("bottleneck", 8, 2)])
def test_the_plain_network_halves_where_it_should(block: str, stem: int, side: int) -> None:
    network = plain_resnet(block=block, stem_width=stem, widths=(8, 16), blocks=(1, 2), channels=3, classes=5)
    assert network[:-3](torch.zeros(2, 3, 16, 16)).shape == (2, 16, side, side)
    assert sum(isinstance(layer, PlainResidualBlock) for layer in network) == 3


def test_resnet_50_with_its_published_number_of_parameters() -> None:
    network = plain_resnet(block="bottleneck", stem_width=64, widths=(256, 512, 1024, 2048), blocks=(3, 4, 6, 3),
                           channels=3, classes=1000)
    assert sum(weight.numel() for weight in network.parameters()) == 25_557_032


@pytest.mark.slow
def test_blocks_are_added_until_the_work_is_nearest() -> None:
    config = parse_config(merged(tomllib.loads(DEMO.read_text()), RESIDUAL), TrainClassifierConfig, source="test")
    network, blocks, work = equal_work(config, 18, 0.2)
    assert blocks == (3, 2, 2) and work == pytest.approx(operations(network, torch.zeros(2, 3, 32, 32)))
    # A block at the smallest width: two 3x3 convolutions of 32 channels on 16 x 16 pixels, forwards and twice back.
    assert abs(work - 0.2) < 3 * 2 * 2 * 9 * 32**2 * 16**2 / 1e9 / 2  # half of one


@pytest.mark.slow
def test_the_plain_loop_learns() -> None:
    torch.manual_seed(0)
    network = plain_resnet(block="basic", stem_width=0, widths=(8,), blocks=(1,), channels=3, classes=2)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    class_idx = torch.arange(16) % 2
    x = torch.randn(16, 3, 8, 8) + class_idx[:, None, None, None]
    losses = [train_step(network, optimiser, x, class_idx, bf16=False) for _ in range(20)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.slow
def test_it_reports_both_loops_and_cleans_up(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setitem(SIDE, "cpu", 64)
    model = {"kind": "residual", "widths": [8, 16], "blocks": 1, "groups": 8, "dropout": 0.2}
    tiny = merged(tomllib.loads(DEMO.read_text()), {"batch": 4, "view": {"size_pixels": 16}, "model": model})
    (tmp_path / "tiny.toml").write_text(toml(tiny))
    code = verb("bench", "train-clf", "--config", tmp_path / "tiny.toml", "--folder", tmp_path / "sets",
                "--classes", "3", "--stacks", "8", "--steps", "1", "--repeats", "1",
                "--json", tmp_path / "written.json")
    assert code == 0 and "matrix product" in capsys.readouterr().out
    written = json.loads((tmp_path / "written.json").read_text())
    ours, plain = written["ours"], written["plain"]
    assert written["ratio"] == pytest.approx(ours["gflops"] / plain["gflops"])  # a single turn
    assert ours["gflops"] == pytest.approx(ours["images_per_second"] * ours["gflop_per_image"])
    assert ours["share_of_peak"] == pytest.approx(ours["gflops"] / written["peak_gflops"])
    assert plain["gflop_per_image"] == pytest.approx(ours["gflop_per_image"], rel=0.3)
    assert list((tmp_path / "sets").iterdir()) == []


def test_too_few_stacks_are_one_clear_line(tmp_path, capsys) -> None:
    code = verb("bench", "train-clf", "--config", DEMO, "--folder", tmp_path, "--stacks", "3")
    assert code == 2 and "one stack of each class" in capsys.readouterr().err


def test_a_network_of_features_is_one_clear_line(tmp_path, capsys) -> None:
    code = verb("bench", "train-clf", "--config", DEMO, "--folder", tmp_path / "sets", "--classes", "3",
                "--stacks", "8")
    assert code == 2 and "only a residual network" in capsys.readouterr().err
    assert list((tmp_path / "sets").iterdir()) == []
