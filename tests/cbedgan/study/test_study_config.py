import pytest

from cbedgan.study.study_config import StudyConfig
from classifier.foundation.config import load_config
from classifier.foundation.errors import InputError
from project import CONFIGS


def test_an_arm_changes_the_keys_that_it_names_and_nothing_else(study_config):
    config = study_config(conditions=["counted", "ideal", "poor"])
    shared, own = (config.training(name, 7).model_dump() for name in ("nothing", "plain"))
    assert {key for key in shared if shared[key] != own[key]} == {"loss"} and own["loss"]["gamma"] == 2.0
    assert shared["seed"] == 7 and shared["judged_under"] == ("counted", "poor")


def test_draws_go_with_the_seeds(study_config):
    assert [study_config(source_seeds=[5]).source_seed(seed) for seed in (0, 1, 2)] == [5, 5, 5]
    assert [study_config(source_seeds=[5, 6, 7]).source_seed(seed) for seed in (0, 1, 2)] == [5, 6, 7]


def test_every_arm_is_held_against_nothing_and_its_references_once(study_config):
    assert study_config().pairs == [("boundary", "nothing"), ("boundary", "interior"), ("interior", "nothing"),
                                    ("plain", "nothing")]
    judgement = study_config().judgement.model_dump()
    other = {**judgement, "primary": {"arm": "interior", "reference": "plain", "shot": "few"}}
    assert study_config(judgement=other).pairs[-1] == ("interior", "plain")


@pytest.mark.parametrize(("changes", "key"), [
    ({"seeds": [0, 1]}, "seeds"), ({"source_seeds": [0, 1]}, "source_seeds"),
    ({"conditions": ["ideal"] * 2}, "conditions"), ({"nothing": "none"}, "nothing"),
    ({"equal_real": "none"}, "equal_real"), ({"nothing": "interior"}, "arms.interior"),
    ({"arms": {"a": {"label": "a", "references": ["b"]}}}, "arms.a.references"),
    ({"arms": {"a": {"label": "a", "kind": "boundary"}}}, "arms.a"),
    ({"arms": {"a": {"label": "a", "classifier": {"seed": 1}}}}, "arms.a.classifier"),
    ({"arms": {"a": {"label": "a", "classifier": {"images": 96}}}}, "arms.a.classifier"),
    ({"arms": {"a": {"label": "a", "classifier": {"colour": 1}}}}, "arms.a.classifier")])
def test_what_contradicts_itself_is_named(study_config, changes, key):
    with pytest.raises(InputError, match=f"study configuration, {key}"):
        study_config(**changes).check()


def test_a_family_needs_replicates_enough(study_config):
    assert study_config().family == 16
    few = {**study_config().judgement.model_dump(), "replicates": 319}
    with pytest.raises(InputError, match=r"judgement\.replicates: must be at least the 16 comparisons"):
        study_config(judgement=few).check()
    study_config(judgement={**few, "replicates": 320}).check()


def test_other_steps_have_to_be_stated(study_config):
    longer = study_config({"longer": {"label": "longer", "classifier": {"images": 96}, "unequal_steps": True}})
    longer.check()
    assert (longer.training("longer", 0).images, longer.training("nothing", 0).images) == (96, 48)


def test_the_study_of_version_2_is_whole():
    config = load_config(CONFIGS / "bench/study.toml", StudyConfig)
    config.check()
    assert len(config.seeds) == len(config.source_seeds) == 5 and config.conditions[0] == "ordinary"
    assert {config.training(name, 1).images for name in config.arms} == {98304}
