import numpy as np
from rich.console import Console

from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.atomic import read_json
from classifier.prediction.answer_table import answer_table, write_answers
from classifier.prediction.answers import Answer, Rules, parts_of
from classifier.prediction.predict import Predictions

RULES = Rules(0.9, 0.5, 0.1, True, 0.95, (0.1, 0.1))


def an_answer(name, group, **beside):
    return Answer(name, groups=((group, 0.9),), levels={}, nearest=(), strangeness=0.0,
                  **{"refusals": (), "siblings": (), "unknown": (), "plausible": ((group, 0.9),), **beside})


def some_predictions(truth, part):
    names = np.array([f"s{k}" for k in range(len(truth))])
    return Predictions(names, names, names, np.array(truth), np.zeros((len(truth), 2), np.float32), np.array(part),
                       ClassMap((225, 227)), "", {})


def shown(answers, predictions, rules=RULES) -> str:
    console = Console(width=400, record=True, file=open("/dev/null", "w"))
    console.print(answer_table(answers, rules, predictions))
    return console.export_text()


def test_what_was_learned_is_never_told_together_with_what_was_not():
    # Learned: 3 of 3. Of the others 1 of 2, of which the right one is refused.
    answers = [an_answer(f"s{k}", 225) for k in range(3)] + [an_answer("s3", 225, refusals=("blurred",)),
                                                             an_answer("s4", 225)]
    predictions = some_predictions([225, 225, 225, 225, 227], ["train", "train", "train", "", ""])
    told = shown(answers, predictions)
    assert "learned from, which say nothing of new ones: 100.0% of 3 right, 100.0% of the 3 answered." in told
    assert "--split tells them apart): 50.0% of 2 right, 0.0% of the 1 answered." in told
    assert "80.0%" not in told and "Here they do in 50.0% of what was not learned." in told


def test_parts_of_a_split_are_told_one_by_one():
    answers = [an_answer("s0", 225), an_answer("s1", 225), an_answer("s2", 225)]
    told = shown(answers, some_predictions([225, 227, 0], ["test", "validation", "test"]))
    assert "test part: 100.0% of 1 right" in told and "chose its thresholds: 0.0% of 1 right" in told


def test_siblings_that_nobody_taught_are_counted():
    told = shown([an_answer("s0", 225, unknown=(1, 2, 3)), an_answer("s1", 225, siblings=((227, 0.2),), unknown=(5,)),
                  an_answer("s2", 225)], some_predictions([0, 0, 0], ["", "", ""]))
    assert "none that it knows; 3 that it does not know" in told and "1 that it does not know" in told
    assert told.count("none that it knows") == 1 and "By the file's own labels" not in told


def test_files_say_the_part_of_each_stack(tmp_path):
    answers, predictions = [an_answer("s0", 225), an_answer("s1", 225)], some_predictions([225, 0], ["train", ""])
    write_answers(tmp_path / "a.npz", answers, RULES, predictions)
    assert [one["part"] for one in read_json(tmp_path / "a.json")["answers"]] == ["train", ""]
    assert [line.rsplit(",", 1)[1] for line in (tmp_path / "a.csv").read_text().splitlines()] == ["part", "train", ""]
    assert Predictions.load(tmp_path / "a.npz").part.tolist() == ["train", ""]


def test_without_trust_nobody_knows_what_was_learned(tmp_path):
    assert parts_of([], some_predictions([225, 0], ["", ""]), tmp_path, None).tolist() == ["", ""]
