"""Baselines on made-up powder patterns: each learns the groups, the grid is on record, products need no memory."""

import numpy as np
import pytest

from classifier.baseline.product_regression import ProductRegression
from classifier.baseline.train_baseline import TrainBaselineConfig, train_baseline
from classifier.foundation.atomic import read_json
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.training.train_config import TrainClassifierConfig
from curves import parted_curves
from project import ROOT

NET = {"kind": "elastic_net", "products": [False, True], "alpha": [1e-5], "l1_share": [0.75],
       "class_weight": ["balanced"], "epochs": 10, "batch": 16}
METHODS = {"elastic_net": NET,
           "gradient_boosting": {"kind": "gradient_boosting", "rounds": [20], "learning_rate": [0.2],
                                 "most_leaves": [5], "l2": [0.0], "class_weight": ["none"]},
           "extra_trees": {"kind": "extra_trees", "trees": 20, "descriptor_share": [0.3], "least_leaf": [1],
                           "class_weight": ["none"]},
           "neighbours": {"kind": "neighbours", "scale": ["none"], "components": [0], "neighbours": [1, 3],
                          "distance_power": [1.0], "class_weight": ["none"]}}


def config(method, **changes) -> TrainBaselineConfig:
    content = {"descriptors": {"kind": "values", "segments": 8}, "folds": 3, "repeats": 2, "method": method}
    return parse_config(content | changes, TrainBaselineConfig, source="test")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return parted_curves(tmp_path_factory.mktemp("curves"))


@pytest.mark.parametrize("path", sorted((ROOT / "configs/curves").glob("*.toml")), ids=lambda path: path.stem)
def test_the_configurations_of_curves_are_sound(path):
    network = path.stem in ("residual", "liu")
    load_config(path, TrainClassifierConfig if network else TrainBaselineConfig)


@pytest.mark.parametrize("method", METHODS)
def test_each_learns_the_groups_and_records_its_grid(data, tmp_path, method):
    path = train_baseline(config(METHODS[method]), stacks=data[0], split=data[1], out=tmp_path / "run")
    result = read_json(path.parent / "result.json")
    assert result["test"]["balanced_accuracy"] >= 0.85
    assert len(result["searched"]) == (2 if method in ("elastic_net", "neighbours") else 1)
    assert list(result["importance"])[0] == "two_theta 1 degree to two_theta 8 degree"
    assert len(result["importance"]) == 8


def test_stated_descriptors_are_of_cbed(data, tmp_path):
    stated = {"floor": 1e-6, "rings": 4, "bands": 2, "orders": 4, "direct_disk_radius": 0.4, "pattern_order": "kept"}
    with pytest.raises(InputError, match="CBED patterns alone; found samples of kind xrd"):
        train_baseline(config(NET, descriptors=stated), stacks=data[0], split=data[1], out=tmp_path / "run")


def test_products_tell_what_no_sum_can():
    """Classes by the sign of a product: X is blind to them, X^2 is not; the rest is standardised by closed form."""
    x = np.random.default_rng(0).normal(size=(600, 6)).astype(np.float32)
    truth = (x[:, 1] * x[:, 4] > 0).astype(int)
    fitted = {products: ProductRegression(alpha=1e-3, l1_share=1.0, products=products, balanced=False, epochs=30,
                                          batch=50, step=1.0, seed=0).fit(x[:400], truth[:400])
              for products in (False, True)}
    accuracy = {products: (model.predict(x[400:]) == truth[400:]).mean() for products, model in fitted.items()}
    assert accuracy[False] < 0.65 and accuracy[True] > 0.9
    i, j = np.triu_indices(6, 1)
    z = x[:400][:, i] * x[:400][:, j]
    assert np.allclose(fitted[True].mean_, z.mean(0), atol=1e-5)
    assert np.allclose(fitted[True].scale_, z.std(0), rtol=1e-4)
    assert np.abs(fitted[True].weight_[(i == 1) & (j == 4)]).min() > 10 * np.abs(fitted[True].weight_).mean()


def test_a_strong_penalty_leaves_weights_at_zero_and_the_frequencies():
    x = np.random.default_rng(0).normal(size=(60, 4))
    truth = np.repeat([3, 7, 7], 20)
    model = ProductRegression(alpha=10.0, l1_share=1.0, products=False, balanced=False, epochs=20, batch=20, step=1.0,
                              seed=0).fit(x, truth)
    assert not model.weight_.any() and np.allclose(model.predict_proba(x), [1 / 3, 2 / 3], atol=0.05)
