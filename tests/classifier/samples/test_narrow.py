import numpy as np
import pytest

from classifier.foundation.errors import InputError
from classifier.samples.narrow import narrow_split
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile
from classifier.training.train import train_classifier


def test_only_the_train_part_shrinks(data, tmp_path):
    with StackFile(data.stacks) as file:
        digest, table = file.digest, file.table
    held = load_split(data.split, stack_digest=digest)
    chosen = held.materials["train"][:5]
    narrow = load_split(narrow_split(data.split, stacks=data.stacks, materials=chosen, out=tmp_path / "narrow.json"),
                        stack_digest=digest)
    assert narrow.materials["train"] == chosen
    assert set(table.material[np.isin(table.sample_id, narrow.parts["train"])]) == set(chosen)
    for part in ("validation", "test"):
        assert narrow.parts[part] == held.parts[part]
    assert narrow.space_groups == held.space_groups and narrow.digest != held.digest


@pytest.mark.parametrize("part", ["test", "validation"])
def test_held_out_materials_cannot_be_chosen(data, tmp_path, part):
    held = data.load()
    with pytest.raises(InputError, match="must be of the train part"):
        narrow_split(data.split, stacks=data.stacks, materials=held.materials[part], out=tmp_path / "narrow.json")
    with pytest.raises(InputError, match="must be of the train part"):
        narrow_split(data.split, stacks=data.stacks, materials=[], out=tmp_path / "narrow.json")


def test_training_on_it_sees_no_other_material(data, make_train_config, tmp_path):
    """Two materials, so two of four groups: the classifier keeps all four classes."""
    from classifier.prediction.predict import load_classifier
    held = data.load()
    narrow = narrow_split(data.split, stacks=data.stacks, out=tmp_path / "narrow.json",
                          materials=[held.materials["train"][0], held.materials["train"][-1]])
    trained = load_classifier(train_classifier(make_train_config(images=32), stacks=data.stacks, split=narrow,
                                               out=tmp_path / "run"))
    assert sorted(trained.training_materials.tolist()) == [0, 0, 1, 1]
