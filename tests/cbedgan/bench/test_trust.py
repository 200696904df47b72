import io

import numpy as np
import pytest
from rich.console import Console

from cbedgan.bench.spoiled import spoiled
from cbedgan.bench.trust import KINDS, bench_trust, report
from classifier.prediction.predict import load_classifier
from classifier.samples.split import load_split
from classifier.training.trust_fitting import with_trust


def test_spoiled_stacks_are_intensities_of_the_same_shape_and_are_what_they_say() -> None:
    stacks = np.random.default_rng(0).gamma(2.0, 1e-3, size=(3, 3, 24, 24))
    made = {(kind, amount): copy for kind, amount, copy in spoiled(stacks, shortest_g_pixels=6.0, seed=0)}
    assert len(made) == KINDS - 1
    assert all(copy.shape == stacks.shape and np.isfinite(copy).all() and (copy >= 0).all() for copy in made.values())
    assert np.array_equal(made["harmless", "half turn"], stacks[:, :, ::-1, ::-1])
    assert np.allclose(made["badly centred", "3 px (0.50 g)"][:, :, 3:], stacks[:, :, :-3])
    assert np.allclose(made["one pattern badly centred", "3 px"][:, :2], stacks[:, :2])
    assert np.array_equal(made["mixed up", "patterns of three crystals"][2, 2], stacks[0, 2])
    assert made["saturated", "brightest tenth"].max() < stacks.max()
    noise = made["Poisson noise", "1e+06 electrons"]
    assert noise == pytest.approx(stacks, abs=5 * np.sqrt(stacks.max() / 1e6)) and not np.allclose(noise, stacks)
    assert made["not CBED", "constant"].std() == pytest.approx(0, abs=1e-12)
    # A disk at a distance of 8 pixels stands at 10 when magnified by 1.25.
    spot = np.zeros((1, 3, 25, 25))
    spot[..., 12, 20] = 1.0
    magnified = dict(((k, a), c) for k, a, c in spoiled(spot, shortest_g_pixels=6.0, seed=0))["magnified", "x 1.25"]
    assert np.unravel_index(magnified[0, 0].argmax(), (25, 25)) == (12, 22)


def test_the_rows_count_what_is_refused(tiny_networks) -> None:
    judge = load_classifier(tiny_networks.classifier)
    parts = load_split(tiny_networks.split, stack_digest=judge.stack_digest).parts
    training, test = (tiny_networks.samples(judge, parts[name]) for name in ("train", "test"))
    judge = with_trust(judge, training=training, validation=test, shift_pixels=1)
    rows = bench_trust([judge], tiny_networks.stacks, tiny_networks.split, accuracy=0.5, most=8, seed=0)
    assert len(rows) == KINDS
    by_kind = {(row["kind"], row["amount"]): row for row in rows}
    assert by_kind["as they are", ""]["auroc"] == 0.5 and by_kind["as they are", ""]["accuracy"] > 0.5
    for name in ("uniform noise", "constant"):
        assert by_kind["not CBED", name]["refused"] == by_kind["not CBED", name]["auroc"] == 1.0
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(report(rows, 0.5))
    assert "uniform noise" in console.export_text()
