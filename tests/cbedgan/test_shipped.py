import json

import numpy as np
import pytest

from cbedgan import shipped
from cbedgan.api import load_classifier
from classifier.foundation.config import load_config
from classifier.foundation.errors import InputError
from classifier.samples.split import SplitConfig, load_split, split
from classifier.samples.stackfile import StackFile, write_stack_file
from classifier.samples.viewed import rows_of
from project import ROOT
from running import verb
from tiny import frame_of


def test_names_are_paths_of_networks_that_ship(tmp_path):
    for kind, known in shipped.networks().items():
        for name, told in known.items():
            path = shipped.network_path(f"builtin:{name}", kind)
            assert path.is_file() and path.name == told["file"] and (ROOT / told["card"]).is_file()
    assert shipped.network_path(tmp_path / "own.safetensors", "classifier") == tmp_path / "own.safetensors"
    with pytest.raises(InputError, match="must be a classifier that ships; .* builtin:demo, builtin:demo-"):
        shipped.network_path("builtin:demi", "classifier")


def test_models_say_what_they_know(capsys, tmp_path):
    assert verb("models", "--json", tmp_path / "models.json") == 0
    told, found = capsys.readouterr().out, json.loads((tmp_path / "models.json").read_text())
    assert "builtin:demo, classifier" in told and "builtin:demo, generator" in told
    assert "knows     18 space groups: 12 62 63" in told and "79.2% balanced on 144 test stacks" in told
    assert found["classifier"]["demo"]["space_groups"] == found["generator"]["demo"]["space_groups"]
    assert verb("models", "demo-second") == 0 and capsys.readouterr().out.count("builtin:") == 1
    assert verb("models", "none") == 2 and "demo, demo-second" in capsys.readouterr().err


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    """The test part of the bundled stacks as a file of its own."""
    stacks, folder = shipped.data_folder() / "demo.h5", tmp_path_factory.mktemp("held_out")
    path = split(load_config(shipped.config_folder() / "split.toml", SplitConfig), stacks=stacks, out=folder / "s.json")
    with StackFile(stacks) as file:
        rows = rows_of(file, load_split(path, stack_digest=file.identity).parts["test"])
        write_stack_file(folder / "test.h5", file.read(np.sort(rows)), file.table.take(np.sort(rows)),
                         **frame_of(file), provenance={})
    return folder / "test.h5"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["demo", "demo-second"])
def test_the_figures_of_a_classifier_are_those_of_the_file(name, held_out):
    stated = shipped.networks()["classifier"][name]["figures"]
    answers = load_classifier(f"builtin:{name}").predict(held_out, accuracy=stated["asked_accuracy"])
    with StackFile(held_out) as file:
        truth = file.table.space_group
    first = np.array([answer.groups[0][0] for answer in answers])
    given = np.array([not answer.refusals for answer in answers])
    balanced = np.mean([(first[truth == group] == group).mean() for group in np.unique(truth)])
    three = np.mean([any(group == one for group, _ in answer.groups[:3]) for answer, one in
                     zip(answers, truth.tolist(), strict=True)])
    assert (len(truth), round(balanced, 3), round(three, 3)) == (
        stated["test_stacks"], stated["balanced_accuracy"], stated["top_3"])
    assert (given.sum(), (first == truth)[given].sum()) == (stated["answered"], stated["right_of_answered"])


def test_predict_alone_takes_the_network_that_fits(capsys, held_out, tiny_stack_file):
    assert verb("predict", held_out) == 0
    told = capsys.readouterr().out
    assert told.startswith("By builtin:demo, which ships and fits this file") and "that it did not learn from" in told
    assert "that it learned from" not in told.replace("that it did not learn from", "")
    assert verb("predict", tiny_stack_file()) == 2
    assert "no classifier that ships fits this file" in capsys.readouterr().err
