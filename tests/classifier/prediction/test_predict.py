from dataclasses import replace

import numpy as np
import pytest
import torch

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.prediction.predict import Predictions, load_classifier, predict, predict_logits
from classifier.samples.dataset import load_physical


@pytest.fixture
def trained(data, make_train_config, tmp_path):
    return data.train(make_train_config(images=64), out=tmp_path / "clf")


def predictions() -> Predictions:
    return Predictions(np.array(["a", "b"]), np.array(["m", "n"]), np.array(["t", "t"]), np.array([225, 216]),
                       np.array([[0.0, 1.0], [2.0, 3.0]], np.float32), np.array(["test", "validation"]),
                       ClassMap((216, 225)), "digest", {"stage": "x"})


def test_predictions_survive_a_file(tmp_path) -> None:
    predictions().save(tmp_path / "p.npz")
    again = Predictions.load(tmp_path / "p.npz")
    assert again.class_map == ClassMap((216, 225)) and again.provenance == {"stage": "x"}
    assert np.array_equal(again.logits, predictions().logits) and again.logits.dtype == np.float32
    assert again.take("test").sample_id.tolist() == ["a"] and again.predicted().tolist() == [225, 225]


def test_how_crystals_were_derived_is_kept_where_it_is_known(tmp_path) -> None:
    assert predictions().derivation.tolist() == ["", ""] and predictions().by_derivation() == {}
    known = replace(predictions(), derivation=np.array(["random", "real"]))
    for name, some in (("unknown", predictions()), ("known", known)):
        some.save(tmp_path / f"{name}.npz")
        with np.load(tmp_path / f"{name}.npz") as arrays:
            assert ("derivation" in arrays) == (name == "known")
        assert np.array_equal(Predictions.load(tmp_path / f"{name}.npz").derivation, some.derivation)
    apart = known.by_derivation()
    assert list(apart) == ["real", "random"] and apart["real"].sample_id.tolist() == ["b"]
    assert known.take("test").by_derivation().keys() == {"random"}


def test_a_damaged_or_pickled_file_is_refused(tmp_path) -> None:
    (tmp_path / "p.npz").write_bytes(b"PK nonsense")
    np.savez(tmp_path / "pickled.npz", metadata=np.array([{"a": 1}], dtype=object))
    for name in ("p.npz", "pickled.npz", "absent.npz"):
        with pytest.raises(InputError, match="file of predictions"):
            Predictions.load(tmp_path / name)


def test_logits_that_are_no_numbers_are_no_answers(trained, data, tmp_path) -> None:
    for value, sound in ((-np.inf, True), (np.inf, False), (np.nan, False)):
        spoilt = predictions()
        spoilt.logits[1, 0] = value  # -inf: this group cannot occur
        spoilt.save(tmp_path / "p.npz")
        if sound:
            assert Predictions.load(tmp_path / "p.npz").logits[1].tolist() == [-np.inf, 3.0]
        else:
            with pytest.raises(InputError, match="logits that are no numbers"):
                Predictions.load(tmp_path / "p.npz")
    classifier = load_classifier(trained)
    x = torch.zeros(3, 3, 16, 16)
    x[1] = np.inf
    with pytest.raises(InputError, match="NaN or infinity for 1 of 3 samples"):
        predict_logits(classifier.model, x)


def test_a_users_own_file_is_judged_as_training_would(trained, data, tiny_stack_file) -> None:
    classifier = load_classifier(trained)
    own = predict(classifier, data.stacks)
    held = Predictions.load(trained.parent / "predictions.npz")
    row = own.sample_id.tolist().index(held.sample_id[0])
    assert np.allclose(own.logits[row], held.logits[0], atol=1e-5)
    x = torch.from_numpy(classifier.intensity.normalise(load_physical(data.stacks, classifier.view)[0]))
    assert np.allclose(classifier.logits(x).numpy(), own.logits, atol=1e-5)
    assert set(own.part) == {""} and own.provenance["classifier_digest"] == classifier.digest
    unknown_group = predict(classifier, tiny_stack_file(space_groups=(1, 2), materials=3))
    assert unknown_group.logits.shape == (6, 4)


def test_logits_are_differentiable_in_x(trained) -> None:
    x = torch.zeros(1, 3, 16, 16, requires_grad=True)
    gradient, = torch.autograd.grad(load_classifier(trained).logits(x)[0, 0], x)
    assert torch.isfinite(gradient).all()


def test_another_frame_or_split_is_refused(trained, data) -> None:
    classifier = load_classifier(trained)
    with pytest.raises(InputError, match="those of training"):
        predict(replace(classifier, frame=replace(classifier.frame, intensity_unit="counts")), data.stacks)
    with pytest.raises(InputError, match="split it is used with"):
        load_classifier(trained, split_digest="0" * 64)
