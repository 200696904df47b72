import numpy as np
import pytest
import torch

from classifier.foundation.config import parse_config
from classifier.foundation.errors import InputError
from classifier.network.task_heads import TaskHeads
from classifier.network.tasks import CRYSTAL_SYSTEMS, ELEMENTS, TasksConfig, check_training_targets, columns_of, targets
from classifier.prediction.task_answers import in_words, named_answers
from classifier.prediction.task_scores import average_precision, score_tasks
from classifier.samples.sampletable import SampleTable

ALL = ("elements", "cell_lengths", "cell_angles", "d_spacings", "beam_energy", "crystal_system")


def tasks_config(weighting: str = "fixed", **weights: float) -> TasksConfig:
    return parse_config({"weights": weights, "weighting": weighting}, TasksConfig, source="test")


def table() -> SampleTable:
    return SampleTable.build(
        2, sample_id=["a", "b"], space_group=[225, 14], material=["a", "b"], origin="simulated",
        formula=["SrTiO3", "Fe8 O14.5"], cell_lengths_angstrom=[[4.0, 4, 4], [3, 5, 7]],
        cell_angles_degree=[[90.0, 90, 90], [90, 101, 90]], shortest_g_inv_angstrom=[[0.5, 0.25, 0.2]] * 2,
        beam_energy_kev=[100.0, 200.0])


def test_targets_stand_side_by_side_whatever_order_the_tasks_were_named_in() -> None:
    columns, found = columns_of(ALL), targets(table(), ALL, source="test")
    assert list(columns) == ["cell_lengths", "cell_angles", "d_spacings", "beam_energy", "crystal_system", "elements"]
    assert found.shape == (2, 3 + 3 + 3 + 1 + 7 + 103) and found.dtype == np.float32
    assert np.exp(found[:, columns["cell_lengths"]]) == pytest.approx(np.array([[4, 4, 4], [3, 5, 7]]), rel=1e-6)
    assert found[1, columns["cell_angles"]].tolist() == [90, 101, 90]
    assert np.exp(found[0, columns["d_spacings"]]) == pytest.approx([2, 4, 5], rel=1e-6)
    assert np.exp(found[:, columns["beam_energy"]]).ravel() == pytest.approx([100, 200], rel=1e-6)
    assert [CRYSTAL_SYSTEMS[k] for k in found[:, columns["crystal_system"]].argmax(1)] == ["cubic", "monoclinic"]
    present = [{ELEMENTS[k] for k in np.flatnonzero(row)} for row in found[:, columns["elements"]]]
    assert present == [{"Sr", "Ti", "O"}, {"Fe", "O"}]


def test_what_the_table_does_not_know_is_nan_and_cannot_be_trained_on() -> None:
    blank = SampleTable.build(1, sample_id="a", origin="synthetic")
    assert np.isnan(targets(blank, ALL, source="test")).all()
    for task in ALL:
        with pytest.raises(InputError, match=f"{task} needs its target for every training sample; found 1 of 1"):
            check_training_targets(targets(blank, [task], source="test"), [task], source="test")
    one_energy = targets(table().take([0, 0]), ["beam_energy"], source="test")
    with pytest.raises(InputError, match="more than one energy; found 100 keV everywhere"):
        check_training_targets(one_energy, ["beam_energy"], source="test")
    check_training_targets(targets(table(), ALL, source="test"), ALL, source="test")


@pytest.mark.parametrize("formula", ["Xx2", "fe", "Fe-O", "12"])
def test_a_formula_that_is_none_is_refused(formula) -> None:
    with pytest.raises(InputError, match="symbols of elements"):
        targets(SampleTable.build(1, sample_id="a", origin="simulated", formula=formula), ["elements"], source="test")


def heads(config: TasksConfig, target: np.ndarray) -> tuple[TaskHeads, torch.Tensor]:
    torch.manual_seed(0)
    found, target = TaskHeads(config, 4), torch.from_numpy(target)
    found.fit(target)
    return found, target


def test_the_best_constant_guess_costs_one_of_every_task() -> None:
    config = tasks_config(cell_lengths=1, beam_energy=1, crystal_system=1, elements=1)
    rows = targets(table(), tuple(config.weights), source="test")
    found, target = heads(config, rows)
    guess = torch.zeros(1, rows.shape[1])
    guess[:, found.columns["crystal_system"]] = found.mean[found.columns["crystal_system"]].clamp_min(1e-6).log()
    guess[:, found.columns["elements"]] = found.mean[found.columns["elements"]].clamp(1e-6, 1 - 1e-6).logit()
    costs = torch.stack(found.losses(guess.expand(2, -1), target)).mean(1)
    assert costs.tolist() == pytest.approx([1, 1, 1, 1], rel=1e-4)
    perfect = (target - found.mean) / found.std
    perfect[:, 4:] = 60 * target[:, 4:] - 30
    assert torch.stack(found.losses(perfect, target)).max() < 1e-4
    assert torch.allclose(found.answers(perfect), target, atol=1e-4)


def test_fixed_weights_add_and_an_unknown_target_costs_nothing() -> None:
    found, target = heads(tasks_config(cell_lengths=0.5, beam_energy=2.0), targets(
        table(), ["cell_lengths", "beam_energy"], source="test"))
    output = torch.zeros(2, 4)  # the mean: 1 of each task
    share = torch.tensor([0.25, 0.75])
    lengths = found.losses(output, target)[0]
    assert found.join(torch.tensor(0.3), output, target, share / share.sum()).item() == pytest.approx(2.8, rel=1e-4)
    target[0, 3] = torch.nan
    expected = 0.3 + 0.5 * (lengths[0] + 3 * lengths[1]) / 4 + 2.0 * 3 / 4
    assert found.join(torch.tensor(0.3), output, target, share).item() == pytest.approx(float(expected), rel=1e-4)


def test_uncertainty_weighting_is_that_of_kendall_gal_and_cipolla() -> None:
    """Losses L with log variances s: exp(-s) L + s / 2, squared errors by half; the best s is log 2 L, or log L."""
    found, target = heads(tasks_config("uncertainty", cell_lengths=0.5, crystal_system=2.0), targets(
        table(), ["cell_lengths", "crystal_system"], source="test"))
    assert found.log_variance.tolist() == pytest.approx([0, np.log(2), -np.log(2)])
    output = torch.zeros(2, 10)
    lengths, system = (float(loss.mean()) for loss in found.losses(output, target))
    expected = 0.3 + (0.5 * lengths / 2 + np.log(2) / 2) + (system * 2 - np.log(2) / 2)
    whole = found.join(torch.tensor(0.3), output, target, torch.full((2,), 0.5))
    assert whole.item() == pytest.approx(expected, rel=1e-5)
    parts = sum(found.join(torch.tensor(0.15), output[k : k + 1], target[k : k + 1], torch.full((1,), 0.5)).item()
                for k in range(2))
    assert parts == pytest.approx(expected, rel=1e-5)
    with torch.no_grad():
        found.log_variance.copy_(torch.tensor([np.log(2 * 0.3), np.log(lengths), np.log(2 * system)]))
    found.join(torch.tensor(0.3), output, target, torch.full((2,), 0.5)).backward()
    assert found.log_variance.grad.tolist() == pytest.approx([0, 0, 0], abs=1e-5)


@pytest.mark.parametrize(("content", "fault"), [
    ({"weights": {}, "weighting": "fixed"}, "`weights` must have at least 1"),
    ({"weights": {"formula": 1.0}, "weighting": "fixed"}, r"`weights\.formula.*` must be 'cell_lengths'"),
    ({"weights": {"elements": 0.0}, "weighting": "fixed"}, r"`weights\.elements` must be above 0"),
    ({"weights": {"elements": 1.0}, "weighting": "gradnorm"}, "`weighting` must be 'fixed' or 'uncertainty'")])
def test_a_task_that_is_none_is_refused(content, fault) -> None:
    with pytest.raises(InputError, match=fault):
        parse_config(content, TasksConfig, source="test")


def test_average_precision_of_a_ranking() -> None:
    ones = np.ones(5)
    score, present = np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([1, 0, 1, 0, 0])
    assert average_precision(score, present, ones) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.zeros(5), present, ones) == pytest.approx(2 / 5)
    assert average_precision(score, present, np.array([1, 2, 1, 1, 1.0])) == pytest.approx((1 + 2 / 4) / 2)
    assert np.isnan(average_precision(score, np.zeros(5), ones))


def test_scores_stand_beside_those_of_the_training_mean() -> None:
    tasks = ("beam_energy", "crystal_system", "elements")
    truth = targets(table(), tasks, source="test")
    how = {"weight": np.ones(2), "unit": np.array(["a", "b"])}
    mean = np.concatenate([[np.log(150.0)], np.eye(7)[CRYSTAL_SYSTEMS.index("cubic")], np.full(103, 0.5)])
    guessed = score_tasks(np.broadcast_to(mean, truth.shape), truth, mean, tasks, **how)
    assert guessed["beam_energy"]["log energy"]["r2"] == pytest.approx(0, abs=1e-6)
    assert guessed["crystal_system"]["accuracy"] == guessed["crystal_system"]["balanced_accuracy"] == 0.5
    found = score_tasks(truth, truth, mean, tasks, **how)
    assert found["beam_energy"]["log energy"] == {
        "r2": pytest.approx(1), "r2_interval": [pytest.approx(1), pytest.approx(1)], "median_relative_error": 0.0,
        "median_relative_error_of_the_training_mean": pytest.approx(0.25)}
    assert found["crystal_system"]["accuracy"] == 1 and found["crystal_system"]["accuracy_of_the_training_mean"] == 0.5
    assert found["crystal_system"]["accuracy_of_the_training_mean_interval"] == [0, 1]
    assert found["elements"]["elements"] == 4 and found["elements"]["macro_average_precision"] == 1
    assert found["elements"]["macro_average_precision_of_the_training_mean"] == (1 + 3 * 0.5) / 4
    truth[:] = np.nan
    assert score_tasks(truth, truth, mean, tasks, **how)["elements"] == {"samples": 0}


def test_a_target_that_is_the_same_everywhere_has_no_r2() -> None:
    rows = np.full((3, 1), 2.0)
    scores = score_tasks(rows + 0.1, rows, np.array([2.0 + 1e-7]), ("beam_energy",), weight=np.ones(3),
                         unit=np.array(["a", "b", "b"]))
    assert scores["beam_energy"]["log energy"]["r2"] is None
    assert scores["beam_energy"]["log energy"]["r2_interval"] is None


def test_answers_are_named_with_units_and_only_likely_elements() -> None:
    rows = targets(table(), ALL, source="test")
    columns = columns_of(ALL)
    rows[:, columns["elements"]] = 0.1
    rows[0, columns["elements"].start + ELEMENTS.index("O")] = 0.9
    first, second = named_answers(rows, ALL)
    assert first["cell_lengths_angstrom"] == pytest.approx([4, 4, 4]) and first["cell_angles_degree"] == [90, 90, 90]
    assert first["d_spacings_angstrom"] == pytest.approx([2, 4, 5]) and first["beam_energy_kev"] == pytest.approx([100])
    assert first["elements"] == {"O": pytest.approx(0.9)} and second["elements"] == {}
    assert "crystal_system" not in first
    assert in_words(first) == "cell 4 4 4 angstrom; cell 90 90 90 degree; d 2 4 5 angstrom; beam 100 kev; O 0.90"
    assert in_words({}) == ""
