import hashlib
import json
import os
import random
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import classifier.training.step
import classifier.training.train
from classifier.foundation.checkpoint import load_checkpoint
from classifier.foundation.errors import InputError
from classifier.foundation.run import Interrupted
from classifier.pattern.measurement import CONDITIONS, measured_copy
from classifier.prediction.predict import Predictions, load_classifier, predict_logits
from classifier.samples.split import load_split, split
from classifier.samples.stackfile import StackFile, write_stack_file
from classifier.samples.viewed import load_physical
from classifier.training.losses import LogitAdjusted
from classifier.training.train import train_classifier
from running import killed, metrics
from tiny import frame_of

pytestmark = pytest.mark.slow


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def weights(run: Path) -> str:
    """sha256 of the final weights, in a fixed order of names."""
    state = load_classifier(run / "classifier.safetensors").model.state_dict()
    return hashlib.sha256(b"".join(state[name].contiguous().numpy().tobytes() for name in sorted(state))).hexdigest()


def test_it_learns_and_leaves_complete_artefacts(data, make_train_config, tmp_path) -> None:
    path = data.train(make_train_config(images=4096), out=tmp_path / "clf")
    result = json.loads((tmp_path / "clf/result.json").read_text())
    assert result["test"]["balanced_accuracy"] == 1 and result["test"]["materials"] == 8
    classifier = load_classifier(path)
    assert classifier.digest == result["classifier_digest"] and classifier.split_digest == result["split_digest"]
    assert classifier.training_materials.tolist() == [3] * 4 and classifier.provenance["stage"] == "train-clf"
    predictions = Predictions.load(tmp_path / "clf/predictions.npz")
    assert len(predictions.take("validation").logits) == 4 and len(predictions.take("test").logits) == 8
    assert predictions.split_digest == classifier.split_digest
    assert [row["images_seen"] for row in metrics(tmp_path / "clf")] == list(range(128, 4097, 128))
    assert not (tmp_path / "clf/checkpoint.safetensors").exists()
    before = sha256(path)
    data.train(make_train_config(images=4096), out=tmp_path / "clf")
    assert sha256(path) == before
    with pytest.raises(InputError, match="config_digest may not change"):
        data.train(make_train_config(images=64), out=tmp_path / "clf")


def test_what_is_trained_on_measured_copies_is_judged_under_each_condition_as_well(data, make_train_config, tmp_path
                                                                                   ) -> None:
    plain = {"images": 1024, "augment": {"gain": 0.0}}
    config = make_train_config(**plain, measurement={"electrons": 1e5, "centre_pixels": 0.5},
                               judged_under=["counted", "counted_1e4"])
    classifier = load_classifier(data.train(config, out=tmp_path / "measured"))
    data.train(make_train_config(**plain), out=tmp_path / "plain")
    measured, ideal = (json.loads((tmp_path / run / "result.json").read_text()) for run in ("measured", "plain"))
    assert set(measured["conditions"]) == {"counted", "counted_1e4"} and set(measured) - set(ideal) == {"conditions"}
    assert measured["conditions"]["counted"]["test"]["materials"] == measured["test"]["materials"] == 8
    whole, counted, weak = (Predictions.load(tmp_path / f"measured/predictions{name}.npz")
                            for name in ("", "_counted", "_counted_1e4"))
    assert counted.provenance["condition"] == "counted" and "condition" not in whole.provenance
    assert counted.sample_id.tolist() == whole.sample_id.tolist() and counted.part.tolist() == whole.part.tolist()
    assert not np.array_equal(counted.logits, whole.logits) and not np.array_equal(counted.logits, weak.logits)
    assert not (tmp_path / "plain/predictions_counted.npz").exists()
    samples, *_ = load_physical(data.stacks, classifier.view, data.load().parts["test"])
    copies = measured_copy(torch.from_numpy(samples), data.load().parts["test"], CONDITIONS["counted"])
    again = predict_logits(classifier.model, classifier.intensity.normalise(copies))
    assert np.allclose(again, counted.take("test").logits, atol=0.02)


def test_a_microscope_by_name_is_trained_for_from_kept_copies(tiny_stack_file, make_split_config, make_train_config,
                                                               tmp_path) -> None:
    stacks = tiny_stack_file(size=32)
    parted = split(make_split_config(), stacks=stacks, out=tmp_path / "split.json")
    config = make_train_config(images=64, model={"kind": "symmetry", "width": 8, "hidden": 8},
                               view={"half_width": 2.0, "size_pixels": 32}, augment={"gain": 0.0},
                               measurement={"preset": "ordinary"}, judged_under=["ordinary"])
    assert config.measurement == CONDITIONS["ordinary"]
    paths = [train_classifier(config, stacks=stacks, split=parted, out=tmp_path / run, cache=tmp_path / "cache")
             for run in ("first", "again")]
    assert len(list((tmp_path / "cache").glob("copies-*.npy"))) == 1
    assert weights(tmp_path / "first") == weights(tmp_path / "again")
    recorded = load_classifier(paths[0]).provenance["config"]["measurement"]
    assert recorded["plasmons"]["losses"] == [0.2, 0.8] and "preset" not in recorded
    assert json.loads((tmp_path / "first/result.json").read_text())["conditions"].keys() == {"ordinary"}


def test_calibration_takes_the_answers_of_trainings_on_folds(tiny_stack_file, make_split_config, make_train_config,
                                                             tmp_path) -> None:
    stacks = tiny_stack_file(materials=36)
    parted = split(make_split_config(), stacks=stacks, out=tmp_path / "split.json")
    config = make_train_config(images=256, calibration={"kind": "first_answer", "folds": 2})
    trust = load_classifier(train_classifier(config, stacks=stacks, split=parted, out=tmp_path / "clf")).trust
    whole = load_split(parted, stack_digest=digest_of(stacks))
    held = [Predictions.load(tmp_path / f"clf/folds/fold-{k}/predictions.npz").take("validation") for k in (1, 2)]
    # Each sample of train and validation is answered once, by the classifier that was not trained on it.
    learned = whole.parts["train"] + whole.parts["validation"]
    assert sorted(np.concatenate([one.sample_id for one in held]).tolist()) == sorted(learned)
    assert np.allclose(trust.logits, np.concatenate([one.logits for one in held]), atol=1e-5)
    assert trust.calibration.map.kind == "first_answer" and len(trust.class_idx) == len(learned)
    plain = load_classifier(train_classifier(make_train_config(images=256), stacks=stacks, split=parted,
                                             out=tmp_path / "plain")).trust
    assert plain.calibration is None and len(plain.logits) == len(whole.parts["validation"])
    with pytest.raises(InputError, match="with an added source"):
        train_classifier(config, stacks=stacks, split=parted, out=tmp_path / "no", synthetic=stacks)


def digest_of(stacks: Path) -> str:
    """Digest of a stack file."""
    with StackFile(stacks) as file:
        return file.digest


KILLED = """
import sys
from pathlib import Path
from classifier.foundation.config import load_config
from classifier.training.train import TrainClassifierConfig, train_classifier
folder = Path(sys.argv[1])
config = TrainClassifierConfig.model_validate_json((folder / "config.json").read_text())
train_classifier(config, stacks=Path(sys.argv[2]), split=Path(sys.argv[3]), out=folder / "killed",
                 synthetic=folder / "added.h5" if (folder / "added.h5").exists() else None)
"""


def write_added(data, path: Path) -> Path:
    """The training stacks of two groups under other names, as synthetic ones of the split."""
    with StackFile(data.stacks) as file:
        rows = np.flatnonzero(np.isin(file.table.sample_id, data.load().parts["train"])
                              & np.isin(file.table.space_group, (186, 194)))
        table, names = file.table.take(rows), np.array([f"added-{row}" for row in rows])
        write_stack_file(path, file.read(rows), replace(table, sample_id=names, material=names,
                                                        origin=np.full(len(rows), "synthetic")),
                         **frame_of(file), provenance={"split_digest": data.load().digest})
    return path


@pytest.mark.parametrize("changes", [
    {}, {"micro_batch": 7, "early_stop": {"metric": "loss", "patience_images": 1600}},
    {"synthetic_until": 0.5, "synthetic_share": 0.4}], ids=["plain", "early_stop", "real_last"])
def test_a_killed_training_resumes_to_the_same_bits(data, make_train_config, tmp_path, changes) -> None:
    config = make_train_config(images=2400, **changes)
    (tmp_path / "config.json").write_text(config.model_dump_json())
    synthetic = write_added(data, tmp_path / "added.h5") if config.synthetic_until < 1 else None
    data.train(config, out=tmp_path / "whole", synthetic=synthetic)
    killed([sys.executable, "-c", KILLED, tmp_path, data.stacks, data.split],
           (tmp_path / "killed/checkpoint.safetensors").exists, after=random.uniform(0, 0.5))
    assert not (tmp_path / "killed/result.json").exists()
    data.train(config, out=tmp_path / "killed", synthetic=synthetic)
    # result.json holds the sha256 of the weights and of all that goes with them.
    for name in ("result.json", "metrics.jsonl"):
        assert sha256(tmp_path / "killed" / name) == sha256(tmp_path / "whole" / name), name
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")


def test_a_classifier_that_ends_on_real_stacks_states_their_prior(data, make_train_config, tmp_path) -> None:
    added = write_added(data, tmp_path / "added.h5")
    priors = [load_classifier(data.train(make_train_config(images=64, synthetic_share=0.5, synthetic_until=until),
                                         out=tmp_path / f"until-{until}", synthetic=added)).prior.tolist()
              for until in (0.5, 1.0)]
    assert priors[0] == pytest.approx([0.25] * 4) and sorted(priors[1]) == pytest.approx([1 / 6] * 2 + [1 / 3] * 2)


def test_copies_of_real_stacks_are_shared_whatever_is_added(tiny_stack_file, make_split_config, make_train_config,
                                                            tmp_path) -> None:
    stacks, cache = tiny_stack_file(size=32), tmp_path / "cache"
    parted = split(make_split_config(), stacks=stacks, out=tmp_path / "split.json")
    with StackFile(stacks) as file:
        held = load_split(parted, stack_digest=file.identity)
    added = write_added(SimpleNamespace(stacks=stacks, load=lambda: held), tmp_path / "added.h5")
    config = make_train_config(images=64, model={"kind": "symmetry", "width": 8, "hidden": 8}, augment={"gain": 0.0},
                               view={"half_width": 2.0, "size_pixels": 32}, synthetic_share=0.5)
    for out, synthetic, kept, copies in (("real", None, cache, 1), ("shared", added, cache, 2),
                                         ("alone", added, None, 2)):
        train_classifier(config, stacks=stacks, split=parted, out=tmp_path / out, synthetic=synthetic, cache=kept)
        assert len(list(cache.glob("copies-*.npy"))) == copies
    assert weights(tmp_path / "shared") == weights(tmp_path / "alone") != weights(tmp_path / "real")


def test_an_interrupt_saves_and_exits_with_130(data, make_train_config, tmp_path, monkeypatch) -> None:
    config, plain = make_train_config(), classifier.training.train.step
    def interrupted_step(state, *arguments):
        if state.images_seen == 336:
            os.kill(os.getpid(), signal.SIGINT)
        return plain(state, *arguments)
    data.train(config, out=tmp_path / "whole")
    monkeypatch.setattr(classifier.training.train, "step", interrupted_step)
    with pytest.raises(Interrupted) as stop:
        data.train(config, out=tmp_path / "stopped")
    assert stop.value.code == 130
    held = load_checkpoint(tmp_path / "stopped/checkpoint.safetensors", kind="classifier-training")
    assert held.parts["counters"]["images_seen"] == 352
    monkeypatch.setattr(classifier.training.train, "step", plain)
    path = data.train(config, out=tmp_path / "stopped")
    assert weights(path.parent) == weights(tmp_path / "whole")
    assert metrics(tmp_path / "stopped") == metrics(tmp_path / "whole")


def test_a_run_goes_on_from_its_own_checkpoint_alone_and_keeps_its_weights(data, make_train_config, tmp_path,
                                                                           monkeypatch) -> None:
    plain = classifier.training.train.step
    def interrupted_step(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return plain(*arguments)
    monkeypatch.setattr(classifier.training.train, "step", interrupted_step)
    for seed in (0, 1):
        with pytest.raises(Interrupted):
            data.train(make_train_config(seed=seed), out=tmp_path / f"seed-{seed}")
    monkeypatch.setattr(classifier.training.train, "step", plain)
    for name in ("checkpoint.safetensors", "checkpoint.json"):
        shutil.copyfile(tmp_path / "seed-1" / name, tmp_path / "seed-0" / name)
    with pytest.raises(InputError, match="its config_digest may not change"):
        data.train(make_train_config(seed=0), out=tmp_path / "seed-0")
    path = data.train(make_train_config(seed=1), out=tmp_path / "seed-1")
    path.unlink()
    with pytest.raises(InputError, match="classifier.safetensors: missing"):
        data.train(make_train_config(seed=1), out=tmp_path / "seed-1")


def test_a_step_that_is_not_finite_is_skipped_counted_and_stops_a_sick_run(data, make_train_config, tmp_path,
                                                                           monkeypatch) -> None:
    plain, calls = LogitAdjusted.losses, []
    def sick(at):
        def losses(loss, *arguments):
            calls.append(1)
            return plain(loss, *arguments) * (float("nan") if len(calls) in at else 1)
        return losses
    monkeypatch.setattr(LogitAdjusted, "losses", sick({3, 7}))
    path = data.train(make_train_config(), out=tmp_path / "once")
    assert json.loads((tmp_path / "once/result.json").read_text())["skipped_steps"] == 2
    assert all(torch.isfinite(tensor).all() for tensor in load_classifier(path).model.state_dict().values())
    calls.clear()
    monkeypatch.setattr(LogitAdjusted, "losses", sick(range(20, 1000)))
    with pytest.raises(InputError, match="all but 10.0% of the steps must be finite"):
        data.train(make_train_config(), out=tmp_path / "sick")
    held = load_checkpoint(tmp_path / "sick/checkpoint.safetensors", kind="classifier-training")
    assert all(torch.isfinite(tensor).all() for tensor in held.parts["model"].values())


def test_nothing_is_selected_on_held_out_samples(data, make_split_config, make_train_config, tmp_path) -> None:
    """Other validation and test intensities leave the weights as they are."""
    config = make_train_config()
    first = data.train(config, out=tmp_path / "first")
    with StackFile(data.stacks) as file:
        held = load_split(data.split, stack_digest=file.identity)
        stacks = file.read(np.arange(len(file)))
        stacks[~np.isin(file.table.sample_id, held.parts["train"])] *= 7
        write_stack_file(tmp_path / "other.h5", stacks, file.table, **frame_of(file), provenance=file.provenance)
    other_split = split(make_split_config(), stacks=tmp_path / "other.h5", out=tmp_path / "other.json")
    second = train_classifier(config, stacks=tmp_path / "other.h5", split=other_split, out=tmp_path / "second")
    one, two = load_classifier(first), load_classifier(second)
    assert one.split_digest != two.split_digest and one.intensity.high == two.intensity.high
    for name, tensor in one.model.state_dict().items():
        assert torch.equal(tensor, two.model.state_dict()[name])
