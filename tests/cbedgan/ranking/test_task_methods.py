from cbedgan.ranking.methods import load_methods
from cbedgan.ranking.rank import RankConfig
from classifier.foundation.config import load_config
from classifier.network.tasks import COLUMNS
from classifier.training.train import TrainClassifierConfig
from project import CONFIGS


def test_the_task_methods_differ_in_their_tasks_and_pose_alone():
    methods = load_methods(CONFIGS / "tasks")
    reference = methods["cross_entropy"]
    assert load_config(CONFIGS / "bench/compare_tasks.toml", RankConfig).judgement.reference in methods
    asked = {name: set() if method.train.model.tasks is None else set(method.train.model.tasks.weights)
             for name, method in methods.items()}
    every = set(COLUMNS) - {"beam_energy"}  # of cbed-lt there is one
    for name, method in methods.items():
        plain = method.train.model_copy(update={"model": method.train.model.model_copy(
            update={"tasks": None, "pose_input": False})})
        assert plain == reference.train, name
        assert method.train.model.pose_input == name.startswith("pose_input"), name
    assert all(asked[task] == {task} for task in every)
    assert asked["all_fixed"] == asked["all_uncertainty"] == every and not asked["pose_input"]
    assert methods["all_uncertainty"].train.model.tasks.weighting == "uncertainty"


def test_the_olcf_training_with_tasks_is_the_one_without_but_for_them():
    plain, tasks = (load_config(CONFIGS / f"olcf/train_clf_{name}.toml", TrainClassifierConfig)
                    for name in ("resnet50", "tasks"))
    assert set(tasks.model.tasks.weights) == set(COLUMNS) - {"d_spacings"}
    assert tasks.model_copy(update={"model": tasks.model.model_copy(update={"tasks": None})}) == plain
