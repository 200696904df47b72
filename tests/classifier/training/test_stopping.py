import json
import math
import os
import signal

import numpy as np
import pytest
import torch
from torch import nn

import classifier.training.train
from classifier.foundation.checkpoint import load_checkpoint
from classifier.foundation.errors import InputError
from classifier.foundation.run import Interrupted
from classifier.prediction.predict import Predictions, load_classifier
from classifier.samples.dataset import StackSet
from classifier.samples.split import split
from classifier.training.stopping import Best, EarlyStopConfig, validation_score
from classifier.training.train import train_classifier

STOP = {"metric": "balanced_accuracy", "patience_images": 256}


def samples(truth: list[int], material: list[str]) -> StackSet:
    names = np.array(material)
    return StackSet(torch.empty(0), torch.tensor(truth), torch.eye(3)[truth], names, names, names, names)


def test_both_metrics_average_over_materials_then_groups() -> None:
    held = samples([0, 0, 0, 1], ["a", "a", "b", "c"])
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.5, 0.25], [0.2, 0.7, 0.1]]))
    assert validation_score("balanced_accuracy", logits, held) == pytest.approx(((0.5 + 0) / 2 + 1) / 2)
    first = ((math.log(2) + math.log(4)) / 2 + math.log(4)) / 2
    assert validation_score("loss", logits, held) == pytest.approx(-(first - math.log(0.7)) / 2)


def test_the_best_weights_are_a_copy_and_only_a_better_value_replaces_them() -> None:
    network, best = nn.Linear(1, 1, bias=False), Best()
    config = EarlyStopConfig(metric="loss", patience_images=100)
    for value, images_seen, kept in ((math.nan, 10, 0), (-2.0, 20, 20), (-2.0, 30, 20), (-1.5, 40, 40), (-3, 50, 40)):
        network.weight.data.fill_(images_seen)
        best.offer(value, images_seen, network)
        assert best.images_seen == kept and (not kept or best.weights["weight"].item() == kept)
    assert best.value == -1.5 and not best.patience_is_over(config, 139) and best.patience_is_over(config, 140)
    again = Best()
    again.load(best.parts(), torch.device("cpu"))
    assert again.parts() == best.parts()
    again.load(Best().parts(), torch.device("cpu"))
    assert again.value == -math.inf


@pytest.mark.slow
def test_a_training_stops_early_and_leaves_with_its_best_weights(data, make_train_config, tmp_path,
                                                                monkeypatch) -> None:
    config, judged = make_train_config(early_stop=STOP), []
    values = iter([0.25, 0.5, 0.75, 0.5, 0.75, 1.0])
    def told(metric, logits, validation):
        judged.append(logits)
        return next(values)
    monkeypatch.setattr(classifier.training.train, "validation_score", told)
    data.train(config, out=tmp_path / "clf")
    result = json.loads((tmp_path / "clf/result.json").read_text())
    assert result["images_seen"] == 640 and result["early_stop"] == {"value": 0.75, "images_seen": 384}
    leaving = Predictions.load(tmp_path / "clf/predictions.npz").take("validation").logits
    assert np.allclose(leaving, judged[2]) and not np.allclose(leaving, judged[4])


@pytest.mark.slow
def test_an_interrupted_training_stops_at_the_same_place_with_the_same_bits(data, make_train_config, tmp_path,
                                                                           monkeypatch) -> None:
    config, plain = make_train_config(early_stop={**STOP, "metric": "loss"}, images=100_000,
                                      learning_rate=0.05), classifier.training.train.step
    whole = data.train(config, out=tmp_path / "whole")
    result = json.loads((tmp_path / "whole/result.json").read_text())
    at = result["early_stop"]["images_seen"] + 48  # between the best report and the end
    assert at < result["images_seen"] < config.images
    def stopping(state, *arguments):
        if state.images_seen == at:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(state, *arguments)
    monkeypatch.setattr(classifier.training.train, "step", stopping)
    with pytest.raises(Interrupted):
        data.train(config, out=tmp_path / "cut")
    held = load_checkpoint(tmp_path / "cut/checkpoint.safetensors", kind="classifier-training").parts["best"]
    assert held["images_seen"] == result["early_stop"]["images_seen"]
    monkeypatch.setattr(classifier.training.train, "step", plain)
    cut = data.train(config, out=tmp_path / "cut")
    assert load_classifier(cut).digest == load_classifier(whole).digest
    for name in ("result.json", "metrics.jsonl"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_it_needs_a_validation_part_and_leaves_no_trace_when_off(data, make_train_config, make_split_config,
                                                                tmp_path) -> None:
    assert not {"early_stop", "micro_batch"} & set(make_train_config().model_dump())
    none = split(make_split_config(validation_fraction=0.0), stacks=data.stacks, out=tmp_path / "none.json")
    with pytest.raises(InputError, match="early stopping needs a validation part"):
        train_classifier(make_train_config(early_stop=STOP), stacks=data.stacks, split=none, out=tmp_path / "clf")
