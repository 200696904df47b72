import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from classifier.adjustment.head_training import (
    FrozenFeatures,
    HeadTraining,
    measurement_of,
    mixed_prior,
    training_record,
)
from classifier.adjustment.post_hoc import (
    Frozen,
    LearnableScale,
    LogitAdjustment,
    PostHocConfig,
    Retrained,
    TauNormalised,
    choose,
    linear,
    post_hoc,
)
from classifier.foundation.config import load_config, parse_config
from classifier.foundation.errors import InputError
from classifier.prediction.predict import Predictions, load_classifier, predict
from classifier.samples.dataset import StackSet
from classifier.samples.stackfile import StackFile, write_stack_file
from classifier.training.sampling import Strata
from project import CONFIGS
from tiny import frame_of

TRAINING: dict[str, Any] = {"views": 2, "images": 512, "batch": 32, "learning_rate": 0.1, "momentum": 0.9,
                            "weight_decay": 0.0}


def frozen(weight: list[list[float]], bias: list[float], prior: list[float], held: FrozenFeatures | None = None
           ) -> Frozen:
    return Frozen(linear(torch.tensor(weight), torch.tensor(bias)), torch.tensor(prior), lambda views, seed: held)


def parse(model: type, /, **content: Any) -> Any:
    return parse_config(content, model, source="test")


def test_adjustment_moves_the_answer_as_by_hand():
    """f = (1, 0), prior (0.9, 0.1): f - tau log prior = (1.11, 2.30) at tau 1, (1.05, 1.15) at 1/2, (1.01, 0.23)."""
    method = parse(LogitAdjustment, kind="logit_adjustment", taus=[0.1, 0.5, 1.0])
    heads = method.heads(frozen([[1.0], [0.0]], [0.0, 0.0], [0.9, 0.1]), seed=0)
    logits = torch.stack([head(torch.tensor([1.0])) for _, head in heads])
    torch.testing.assert_close(logits[2], torch.tensor([1.0 - np.log(0.9), -np.log(0.1)], dtype=torch.float32))
    assert [settings["tau"] for settings, _ in heads] == [0.1, 0.5, 1.0] and logits.argmax(1).tolist() == [0, 1, 1]


def test_tau_normalisation_of_known_weights():
    """|w| = 5 and 2: tau 0 keeps the weights, 1 makes their length 1, 1/2 its root; the bias is dropped."""
    method = parse(TauNormalised, kind="tau_normalised", taus=[0.0, 0.5, 1.0])
    heads = [head for _, head in method.heads(frozen([[3.0, 4.0], [2.0, 0.0]], [7.0, -7.0], [0.5, 0.5]), seed=0)]
    torch.testing.assert_close(heads[0].weight.data, torch.tensor([[3.0, 4.0], [2.0, 0.0]]))
    torch.testing.assert_close(heads[1].weight.norm(dim=1).data, torch.tensor([5.0, 2.0]).sqrt())
    torch.testing.assert_close(heads[2].weight.data, torch.tensor([[0.6, 0.8], [1.0, 0.0]]))
    assert all((head.bias == 0).all() for head in heads)


@pytest.fixture
def imbalanced() -> FrozenFeatures:
    """60 materials of class 0 around x = -1 and 6 of class 1 around x = 1, in one dimension, overlapping."""
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1], [60, 6])
    x = torch.from_numpy(rng.normal(2 * classes - 1, 1.0, (2, 66))).float()[..., None]
    target = torch.eye(2)[torch.from_numpy(classes)].expand(2, 66, 2)
    return FrozenFeatures(x, target, Strata.build(classes, np.arange(66).astype(str)))


def test_a_retrained_head_sees_classes_equally_often_and_replays(imbalanced):
    method = parse(Retrained, kind="retrained", **TRAINING)
    held = frozen([[-1.0], [1.0]], [9.0, -9.0], [0.9, 0.1], imbalanced)
    (_, head), = method.heads(held, seed=3)
    (_, again), = method.heads(held, seed=3)
    assert torch.equal(head.weight, again.weight) and torch.equal(head.bias, again.bias)
    head.requires_grad_(False)
    middle = (head.bias[0] - head.bias[1]) / (head.weight[1, 0] - head.weight[0, 0])
    assert abs(float(middle)) < 0.7  # with natural frequencies it lies beyond 1: log(10) / 2
    assert float(head.weight[1, 0] - head.weight[0, 0]) > 0.5


def test_added_features_join_and_the_loss_is_adjusted_by_the_prior_of_the_mixture(imbalanced):
    """Half of each step is of class 1 alone: 3 of 4, and without the adjustment the border moves by log(3) / 2."""
    classes = np.ones(200, dtype=int)
    x = torch.from_numpy(np.random.default_rng(1).normal(1.0, 1.0, (2, 200, 1))).float()
    beside = FrozenFeatures(x, torch.eye(2)[torch.from_numpy(classes)].expand(2, 200, 2),
                            Strata.build(classes, np.arange(200).astype(str)))
    half = TRAINING | {"synthetic_share": 0.5, "images": 4096, "batch": 64}
    assert mixed_prior(parse(HeadTraining, **half), imbalanced, beside).tolist() == pytest.approx([0.25, 0.75])
    held = replace(frozen([[-1.0], [1.0]], [0.0, 0.0], [0.9, 0.1], imbalanced), added=lambda views, seed: beside)
    (_, head), = parse(Retrained, kind="retrained", **half).heads(held, seed=3)
    head.requires_grad_(False)
    assert abs(float((head.bias[0] - head.bias[1]) / (head.weight[1, 0] - head.weight[0, 0]))) < 0.2
    assert "synthetic_share" not in parse(Retrained, kind="retrained", **TRAINING).model_dump()


def test_learnt_scales_leave_the_directions(imbalanced):
    method = parse(LearnableScale, kind="learnable_scale", **TRAINING)
    (_, head), = method.heads(frozen([[-1.0], [0.25]], [5.0, 0.0], [0.9, 0.1], imbalanced), seed=0)
    head.requires_grad_(False)
    assert float(head.weight[1, 0]) > 0.25 and float(head.weight[0, 0]) < 0 and (head.bias == 0).all()


def test_validation_chooses_the_first_of_the_best():
    """A head that is right on class 0 alone, and two that are right on both: the first of these is taken."""
    heads = [({"tau": tau}, linear(torch.tensor([[0.0], [slope]]), torch.zeros(2)))
             for tau, slope in ((0.0, -1.0), (0.5, 1.0), (1.0, 2.0))]
    names = np.array(["a", "b", "c"])
    held = StackSet(torch.zeros(3, 0), torch.tensor([0, 0, 1]), torch.eye(2)[[0, 0, 1]], names, names, names, names)
    chosen, found = choose(heads, torch.tensor([[-1.0], [-2.0], [1.0]]), held)
    assert chosen == 1 and [row["validation_balanced_accuracy"] for row in found] == [0, 1, 1]


@pytest.fixture
def trained(data, make_train_config, tmp_path):
    config = make_train_config(loss={"kind": "cross_entropy"}, images=512)
    return data.train(config, out=tmp_path / "clf")


def config(**method: Any) -> PostHocConfig:
    return parse(PostHocConfig, seed=4, threads=1, device="cpu", method=method)


@pytest.mark.slow
def test_retraining_leaves_the_body_and_whole_artefacts(data, trained, tmp_path):
    asked = config(kind="retrained", **TRAINING)
    path = post_hoc(asked, classifier=trained, stacks=data.stacks, split=data.split, out=tmp_path / "crt")
    before, after = load_classifier(trained), load_classifier(path)
    for (name, old), new in zip(before.model.state_dict().items(), after.model.state_dict().values(), strict=True):
        assert torch.equal(old, new) != name.startswith("head."), name
    held = Predictions.load(tmp_path / "crt/predictions.npz")
    again = predict(after, data.stacks)
    rows = [again.sample_id.tolist().index(name) for name in held.sample_id]
    np.testing.assert_allclose(again.logits[rows], held.logits, atol=1e-5)
    result = json.loads((tmp_path / "crt/result.json").read_text())
    assert result["classifier_digest"] == after.digest != before.digest
    assert {"validation", "test"} <= set(result) and set(held.part) == {"validation", "test"}
    stamp = path.stat().st_mtime_ns
    assert post_hoc(asked, classifier=trained, stacks=data.stacks, split=data.split, out=tmp_path / "crt") == path
    assert path.stat().st_mtime_ns == stamp
    twice = post_hoc(asked, classifier=path, stacks=data.stacks, split=data.split, out=tmp_path / "twice")
    assert load_classifier(twice).provenance["training"]["training"]["stage"] == "train-clf"


@pytest.mark.slow
def test_a_head_is_trained_on_an_added_file_as_well(data, trained, tmp_path):
    def write(name, split_digest):
        with StackFile(data.stacks) as file:
            rows = np.flatnonzero(np.isin(file.table.sample_id, data.load().parts["train"]))[:4]
            names = np.array([f"added-{row}" for row in rows])
            write_stack_file(tmp_path / name, file.read(rows), replace(
                file.table.take(rows), sample_id=names, material=names, origin=np.full(4, "synthetic")),
                **frame_of(file), provenance={"split_digest": split_digest})
        return tmp_path / name
    added, given = write("added.h5", data.load().digest), {
        "classifier": trained, "stacks": data.stacks, "split": data.split}
    heads = [load_classifier(post_hoc(config(kind="retrained", **TRAINING), **given, out=tmp_path / name, synthetic=one)
                             ).model.head for name, one in (("with", added), ("without", None))]
    assert not torch.equal(heads[0].weight, heads[1].weight)
    assert load_classifier(tmp_path / "with/classifier.safetensors").provenance["inputs"]["synthetic"]
    with pytest.raises(InputError, match="goes with heads that are trained"):
        post_hoc(config(kind="tau_normalised", taus=[1.0]), **given, out=tmp_path / "tau", synthetic=added)
    with pytest.raises(InputError, match="must come from the split"):
        post_hoc(config(kind="retrained", **TRAINING), **given, out=tmp_path / "no",
                 synthetic=write("other.h5", "another"))


@pytest.mark.slow
def test_a_grid_is_chosen_on_validation_and_recorded(data, trained, tmp_path):
    path = post_hoc(config(kind="tau_normalised", taus=[0.0, 1.0]), classifier=trained, stacks=data.stacks,
                    split=data.split, out=tmp_path / "tau")
    result = json.loads((path.parent / "result.json").read_text())
    best = max(result["choice"], key=lambda row: row["validation_balanced_accuracy"])
    assert len(result["choice"]) == 2 and result["chosen"]["tau"] == best["tau"]
    assert result["validation"]["balanced_accuracy"] == pytest.approx(best["validation_balanced_accuracy"])


def test_the_configuration_of_the_demo_is_complete() -> None:
    path = CONFIGS / "demo/adjust_clf.toml"
    assert load_config(path, PostHocConfig).method.kind == "retrained"


@pytest.mark.slow
def test_the_head_of_a_network_trained_on_measured_copies_is_mended_on_such(data, make_train_config, tmp_path):
    path = data.train(make_train_config(images=256, measurement={"electrons": 1e4}, judged_under=["counted_1e4"]),
                      out=tmp_path / "clf")
    mended = post_hoc(config(kind="retrained", **TRAINING), classifier=path, stacks=data.stacks, split=data.split,
                      out=tmp_path / "crt")
    twice = post_hoc(config(kind="tau_normalised", taus=[0.5]), classifier=mended, stacks=data.stacks,
                     split=data.split, out=tmp_path / "twice")
    classifier = load_classifier(twice)
    assert measurement_of(classifier).config.electrons == 1e4 and training_record(classifier)["images"] == 256
    for folder in ("crt", "twice"):
        result = json.loads((tmp_path / folder / "result.json").read_text())
        assert set(result["conditions"]["counted_1e4"]) == {"validation", "test"}
        assert (tmp_path / folder / "predictions_counted_1e4.npz").exists()
    samples = StackSet(torch.zeros(4, 3, 16, 16), torch.arange(4), torch.eye(4), *[np.arange(4).astype(str)] * 4)
    views = FrozenFeatures.of(classifier.model, samples, views=2, seed=0, trained=replace(
        classifier, provenance={"config": {**training_record(classifier), "augment": {"mirror": False, "gain": 0.0,
                                                                                    "half_turn": False}}}))
    assert not torch.equal(views.features[0], views.features[1])


@pytest.mark.slow
def test_a_cosine_head_is_refused(data, make_train_config, tmp_path):
    model = make_train_config().model.model_dump() | {"head": "cosine"}
    path = data.train(make_train_config(images=16, model=model), out=tmp_path / "clf")
    with pytest.raises(InputError, match="only a linear head"):
        post_hoc(config(kind="tau_normalised", taus=[1.0]), classifier=path, stacks=data.stacks, split=data.split,
                 out=tmp_path / "tau")
