import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.foundation.ranks import Ranks
from classifier.network.model import ModelConfig
from classifier.network.pose_input import load_pose_features
from classifier.prediction.answers import answer_stacks
from classifier.prediction.predict import Predictions, load_classifier, predict
from classifier.prediction.side_data import fit_side_data, with_side_data
from classifier.samples.sampletable import SampleTable
from classifier.samples.split import load_split, split
from classifier.samples.stackfile import StackFile, write_stack_file
from classifier.samples.viewed import rows_of
from classifier.training.batches import Source, class_sizes, draw_batch, draw_beside
from classifier.training.sampling import PowerSampler
from classifier.training.state import State
from classifier.training.step import step
from classifier.training.train import train_classifier
from tiny import frame_of

MAP = ClassMap((186, 194, 216, 225))
CPU = torch.device("cpu")
ALONE = Ranks(0, 1, CPU)
NET = {"widths": [8, 16], "blocks": 1, "groups": 4, "dropout": 0.1}
TASKS = {"weighting": "fixed", "weights": {"cell_lengths": 0.5, "crystal_system": 0.5, "elements": 0.5}}


@pytest.fixture
def described(data, tmp_path, make_split_config) -> tuple[Path, Path]:
    """The tiny stack file with cells, zone axes and pose, whose cell grows with its first stack's light; its split."""
    with StackFile(data.stacks) as file:
        stacks, columns = file.read(np.arange(len(file))), file.table.columns()
        n, frame = len(file), frame_of(file)
    length = 4 + stacks[:, 0].max((1, 2)) * 40
    columns |= {"cell_lengths_angstrom": np.repeat(length[:, None], 3, 1), "cell_angles_degree": np.full((n, 3), 90.0),
                "zone_axis_uvw": np.broadcast_to([0, 0, 1], (n, 3, 3)),
                "shortest_g_inv_angstrom": np.repeat(1 / length[:, None], 3, 1),
                "convergence_semi_angle_mrad": np.repeat(1e3 * 0.037 * 0.4 / length[:, None], 3, 1),
                "formula": [("NaCl", "KCl", "NaBr")[k % 3] for k in range(n)]}
    path = tmp_path / "described.h5"
    write_stack_file(path, stacks, SampleTable.build(n, **columns), provenance={}, **frame)
    return path, split(make_split_config(), stacks=path, out=tmp_path / "described.json")


@pytest.mark.slow
def test_a_training_with_pose_and_tasks_answers_them_and_judges_a_file_as_it_was_judged(
        described, make_train_config, tmp_path) -> None:
    stacks, held = described
    config = make_train_config(model={**NET, "pose_input": True, "tasks": TASKS}, images=1024)
    path = train_classifier(config, stacks=stacks, split=held, out=tmp_path / "run")
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert set(result["test"]["tasks"]) == {"cell_lengths", "crystal_system", "elements"}
    assert result["test"]["tasks"]["cell_lengths"]["log a"]["r2"] > 0.5  # the pose's scale tells it
    classifier = load_classifier(path)
    with StackFile(stacks) as file:
        rows = rows_of(file, load_split(held, stack_digest=file.identity).parts["train"])
        assert classifier.model.pose.mean[0] == pytest.approx(
            np.log(file.table.shortest_g_inv_angstrom[rows, 0]).mean(), rel=1e-5)
    stored, again = Predictions.load(tmp_path / "run/predictions.npz"), predict(classifier, stacks)
    place = [again.sample_id.tolist().index(name) for name in stored.sample_id]
    assert again.logits[place] == pytest.approx(stored.logits, abs=1e-5)
    answers, _, _ = answer_stacks([classifier, classifier], stacks, top=2, accuracy=0.9)
    told = answers[0].to_json()["properties"]
    assert set(told) == {"cell_lengths_angstrom", "elements"} and 3 < told["cell_lengths_angstrom"][0] < 10
    with pytest.raises(InputError, match="needs each stack's pose"):
        classifier.logits(torch.zeros(1, 3, 16, 16))


@pytest.mark.slow
@pytest.mark.parametrize("model, rule", [
    ({"pose_input": True}, "pose_input needs shortest_g_inv_angstrom"),
    ({"tasks": {"weighting": "fixed", "weights": {"cell_angles": 1.0}}}, "task cell_angles needs its target"),
    ({"tasks": {"weighting": "fixed", "weights": {"beam_energy": 1.0}}}, "more than one energy")])
def test_a_file_that_lacks_what_is_asked_for_is_refused(data, make_train_config, tmp_path, model, rule) -> None:
    with pytest.raises(InputError, match=rule):
        data.train(make_train_config(model={**NET, **model}), out=tmp_path / "run")


@pytest.mark.parametrize("change, rule", [
    ({"model": {**NET, "pose_input": True, "tasks": {"weighting": "fixed", "weights": {"d_spacings": 1.0}}}},
     "no task may be answered by an input"),
    ({"model": {**NET, "pose_input": True, "patterns": "one_random"}}, "all three patterns"),
    ({"model": {**NET, "patterns": "any_order", "tasks": {"weighting": "fixed", "weights": {"d_spacings": 1.0}}}},
     "patterns in their order"),
    ({"model": {**NET, "pose_input": True}, "mixup_alpha": 0.2}, "mixup_alpha"),
    ({"model": {**NET, "tasks": TASKS}, "mixup_alpha": 0.2}, "mixup_alpha")])
def test_what_leaks_or_makes_no_sense_is_refused_before_anything_runs(make_train_config, change, rule) -> None:
    with pytest.raises(InputError, match=rule):
        make_train_config(**change)


def test_without_the_switches_neither_configuration_nor_weights_change() -> None:
    config = ModelConfig(widths=(8, 16), groups=4, dropout=0.1)
    assert not {"pose_input", "tasks"} & set(config.model_dump())
    assert not [name for name in config.build(classes=4, size_pixels=16).state_dict()
                if name.startswith(("pose", "tasks"))]


@pytest.mark.parametrize("patterns", ["channels", "in_order", "any_order"])
def test_views_share_the_pose_and_any_order_forgets_its_order(patterns) -> None:
    config = ModelConfig(widths=(8, 16), groups=4, dropout=0.0, pose_input=True, patterns=patterns, views="canonical")
    torch.manual_seed(0)
    model = config.build(classes=4, size_pixels=16, mirror_partner=MAP.mirror_partner()).eval()
    x, pose = torch.randn(2, 3, 16, 16), torch.randn(2, 9)
    logits = model(x, pose)
    for seen in (x.flip(-2), x.flip(-1, -2)):
        assert torch.allclose(model(seen, pose), logits, atol=1e-5)
    assert not torch.allclose(model(x, pose + 1), logits, atol=1e-3)
    order = [2, 0, 1]
    permuted = model(x[:, order], pose.unflatten(1, (3, 3))[:, order].flatten(1))
    assert torch.allclose(permuted, logits, atol=1e-5) == (patterns == "any_order")


def source(described, model: ModelConfig) -> Source:
    from classifier.pattern.geometry import ViewConfig
    from classifier.pattern.intensity import IntensityConfig
    from classifier.samples.dataset import load_training_set
    stacks, _ = described
    with StackFile(stacks) as file:
        names = file.table.sample_id.tolist()
    samples, _, _ = load_training_set(stacks, class_map=MAP, view=ViewConfig(half_width=2.0, size_pixels=16),
                                      intensity=IntensityConfig(floor=1e-5),
                                      sample_ids=names, cache=None)
    return Source.build(with_side_data(samples, stacks, model), sampler=PowerSampler(power=1.0), weight=1.0, device=CPU)


@pytest.mark.slow
def test_pose_and_targets_are_those_of_the_stacks_that_were_drawn(described, make_train_config) -> None:
    config = make_train_config(model={**NET, "pose_input": True, "tasks": TASKS})
    only = source(described, config.model)
    x, _, _ = draw_batch(config, [only], 64, range(4, 9))
    pose, wanted = draw_beside(config, [only], 64, range(4, 9))
    expected = load_pose_features(described[0])
    for k in range(5):
        row = int((only.samples.x - x[k]).abs().amax((1, 2, 3)).argmin())
        assert torch.equal(pose[k], expected[row]) and torch.equal(wanted[k], only.samples.task_target[row])


@pytest.mark.slow
@pytest.mark.parametrize("weighting", ["fixed", "uncertainty"])
def test_micro_batches_and_a_checkpoint_change_nothing(described, make_train_config, tmp_path, weighting) -> None:
    model = {**NET, "pose_input": True, "tasks": {**TASKS, "weighting": weighting}}
    found = []
    for micro in (None, 5):
        config = make_train_config(model=model, micro_batch=micro)
        only = source(described, config.model)
        sizes, state = class_sizes(config, [only]), State(config, MAP, CPU, (3, 16, 16))
        fit_side_data(state.model, only.samples, source="test")
        state.average.load_state_dict(state.model.state_dict())
        losses = [float(step(state, config, [only], sizes, MAP, ALONE))]
        state.images_seen += config.batch
        if micro:
            state.save(tmp_path / "c.safetensors", {})
            state = State(config, MAP, CPU, (3, 16, 16))
            state.load(tmp_path / "c.safetensors")
        losses.append(float(step(state, config, [only], sizes, MAP, ALONE)))
        found.append((losses, list(state.model.parameters())))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    for one, two in zip(found[0][1], found[1][1], strict=True):
        assert torch.allclose(one, two, atol=2e-4)


def test_log_variances_do_not_decay_and_added_stacks_need_no_target(described, make_train_config) -> None:
    model = {**NET, "tasks": {**TASKS, "weighting": "uncertainty"}}
    config = make_train_config(model=model, weight_decay=100.0, synthetic_share=0.5)
    state = State(config, MAP, CPU, (3, 16, 16))
    assert [group["weight_decay"] for group in state.optimiser.param_groups] == [100.0, 0.0]
    assert state.optimiser.param_groups[1]["params"] == [state.model.tasks.log_variance]
    real = source(described, config.model)
    unknown = torch.full_like(real.samples.task_target, torch.nan)
    added = replace(real, samples=replace(real.samples, task_target=unknown))
    fit_side_data(state.model, real.samples, source="test")
    loss = step(state, config, [real, added], class_sizes(config, [real, added]), MAP, ALONE)
    assert torch.isfinite(loss)
