import numpy as np

from cbedgan.boundary.pairs import Pairs, choose_pairs, first_measured, soft_confusion
from cbedgan.boundary.plan import follow_rivals, plan_pairs


def test_soft_confusion_averages_the_rows_of_a_class():
    probability = np.array([[0.8, 0.2, 0.0], [0.4, 0.0, 0.6], [0.0, 1.0, 0.0]])
    confusion = soft_confusion(probability, np.array([0, 0, 1]))
    assert np.allclose(confusion[:2], [[0.6, 0.1, 0.3], [0.0, 1.0, 0.0]]) and np.isnan(confusion[2]).all()


def test_training_samples_stand_in_where_validation_has_none():
    validation = np.array([[0.5, 0.5], [np.nan, np.nan]])
    training = np.array([[0.9, 0.1], [0.2, 0.8]])
    rows, place = first_measured(validation, training)
    assert rows.tolist() == [[0.5, 0.5], [0.2, 0.8]] and place.tolist() == [0, 1]
    assert first_measured(validation)[1].tolist() == [0, -1]


def test_partners_are_the_most_confused_and_controls_are_others():
    confusion = np.array([[0.5, 0.1, 0.3, 0.05, 0.05, 0.0]] * 6)
    pairs = choose_pairs(confusion, np.array([0]), partners=2, seed=0)
    assert pairs.b[~pairs.control].tolist() == [2, 1]
    assert len(set(pairs.b[pairs.control])) == 2 and set(pairs.b[pairs.control]) <= {3, 4, 5}
    assert pairs.a.tolist() == [0] * 4


def test_controls_depend_on_the_seed_and_the_group_alone():
    confusion = np.eye(30)
    both = choose_pairs(confusion, np.array([3, 7]), partners=4, seed=1)
    alone = choose_pairs(confusion, np.array([7]), partners=4, seed=1)
    other = choose_pairs(confusion, np.array([7]), partners=4, seed=2)
    assert both.b[both.a == 7].tolist() == alone.b.tolist() != other.b.tolist()


def test_a_small_class_map_has_fewer_partners():
    assert len(choose_pairs(np.eye(3), np.array([1]), partners=5, seed=0)) == 2
    assert len(choose_pairs(np.eye(3), np.array([], dtype=int), partners=5, seed=0)) == 0


def test_every_pair_gets_every_number_once():
    plan = plan_pairs(choose_pairs(np.eye(4), np.array([1]), partners=1, seed=0), paths=3)
    assert plan.a.tolist() == [1] * 6 and plan.number.tolist() == [0, 1, 2] * 2
    assert plan.control.tolist() == [False] * 3 + [True] * 3 and not plan.followed.any()


def test_rivals_that_are_no_partner_are_followed_once():
    """Class 1 against partners 0 and 2 and control 3, two latents; classes 0 and 4 take over."""
    pairs = Pairs(np.array([1, 1, 1]), np.array([0, 2, 3]), np.array([False, False, True]))
    rival = np.array([0, 4, 4, 4, 5, 5])  # latent 0 and 1 towards 0, towards 2, towards the control
    plan = follow_rivals(plan_pairs(pairs, paths=2), rival)
    assert list(zip(plan.a, plan.b, plan.number, strict=True)) == [(1, 4, 0), (1, 4, 1)]
    assert plan.followed.all() and not plan.control.any()


def test_without_rivals_nothing_is_followed():
    plan = plan_pairs(choose_pairs(np.eye(4), np.array([1]), partners=1, seed=0), paths=3)
    assert len(follow_rivals(plan, np.full(6, -1))) == 0
