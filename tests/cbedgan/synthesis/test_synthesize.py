import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cbedgan.boundary.probe import ProbeConfig, probe
from cbedgan.boundary.probefile import read_probe
from cbedgan.boundary.trace import TraceConfig
from cbedgan.gan.network.generator import load_generator
from cbedgan.synthesis.acceptance import REASONS, AcceptanceConfig
from cbedgan.synthesis.quota import SamplingStrategy
from cbedgan.synthesis.regenerate import regenerate
from cbedgan.synthesis.synthesize import SynthesizeConfig, synthesize
from classifier.foundation.atomic import read_json
from classifier.foundation.errors import InputError
from classifier.prediction.predict import load_classifier
from classifier.samples.dataset import check_added_source, load_stack_set
from classifier.samples.split import load_split
from classifier.samples.stackfile import StackFile

CONFIG = SynthesizeConfig(
    seed=3, threads=1, sampling_strategy=SamplingStrategy(shots=("few",), ratio=0.5, base=1, target=100),
    pair_probability=0.4, toward_rare=(0.0, 0.3), reuse=3, oversample=3.0, rounds=4, batch=16,
    acceptance=AcceptanceConfig(interior_probability=0.4, boundary_probability=0.6, range_factor=1.5, neighbours=2,
                                realism_quantile=0.95, realism_factor=2.0, small_class=3, copy_quantile=0.01))
PROBE = ProbeConfig(seed=0, threads=1, shots=("few",), partners=1, paths=8, kinds=("class",), follow_rivals=True,
                    paths_at_once=32, batch=64,
                    trace=TraceConfig(grid_points=9, tolerance=1e-3, plausible=0.1, polish_steps=3, polish_eta=0.5,
                                      polish_tolerance=0.01))


@pytest.fixture(scope="module")
def inputs(tiny_networks, tmp_path_factory) -> dict[str, Path]:
    """The keyword arguments of synthesize but for `out`."""
    files = {name: getattr(tiny_networks, name) for name in ("generator", "classifier", "stacks", "split")}
    out = tmp_path_factory.mktemp("probe") / "probe.h5"
    return files | {"probe": probe(PROBE, **files, out=out), "second_classifier": tiny_networks.second_classifier}


@pytest.fixture(scope="module")
def made(inputs, tmp_path_factory) -> Path:
    return synthesize(CONFIG, **inputs, out=tmp_path_factory.mktemp("synthetic") / "synthetic.h5")


def records(path: Path) -> list[dict]:
    with StackFile(path) as file:
        return [json.loads(text) for text in file.table.provenance]


def test_the_file_is_a_stack_file_of_synthetic_materials(made, inputs):
    with StackFile(made) as file, StackFile(inputs["stacks"]) as real:
        table = file.table
        assert set(table.origin) == {"synthetic"} and set(table.partition) == {"train"}
        assert len(set(table.material)) == len(table) > 0 and set(table.structure_type) == {"synthetic"}
        assert file.mantissa_bits == real.mantissa_bits and file.intensity_unit == real.intensity_unit
        assert file.pose == real.pose and (file.detector.size_pixels, file.detector.unit) == (16, "shortest_g")
        split = load_split(inputs["split"], stack_digest=real.identity)
    assert check_added_source(made, split, stacks=inputs["stacks"])


def test_the_report_counts_what_was_asked_and_why_stacks_were_rejected(made):
    report = read_json(made.with_suffix(".json"))
    assert report["quota"] == dict.fromkeys(("186", "194", "216", "225"), 3)
    kinds = [record["kind"] for record in records(made)]
    for kind in ("interior", "boundary"):
        counts = report["made"][kind]
        assert sum(count["accepted"] for count in counts.values()) == kinds.count(kind) > 0
        assert report["short"][kind] == [int(group) for group, count in counts.items() if count["accepted"] < 3]
        for count in counts.values():
            assert set(count["rejected"]) == set(REASONS) and count["asked"] == 3
            assert round(count["yield"] * count["drawn"]) + sum(count["rejected"].values()) == count["drawn"]


def test_any_stack_can_be_made_again_from_its_record(made, inputs):
    generator = load_generator(inputs["generator"])
    with StackFile(made) as file:
        stacks, table = file.read(np.arange(len(file))), file.table
    for kind in ("interior", "boundary"):
        row = next(i for i, record in enumerate(records(made)) if record["kind"] == kind)
        again = regenerate(table.provenance[row], generator)
        # Equal but for the order of float32 sums, on the scale of the transform; another stack is far away.
        x, y = (generator.intensity.normalise(values) for values in (again, stacks[row]))
        assert again.dtype == np.float32 and np.abs(x - y).max() < 1e-5
        assert np.abs(generator.intensity.normalise(stacks[row - 1]) - y).max() > 1e-2
    with pytest.raises(InputError, match="digest"):
        regenerate(table.provenance[0], replace(generator, digest="0" * 64))


def test_records_say_what_the_stack_is(made, inputs):
    probed = read_probe(inputs["probe"])
    for record in records(made):
        assert record["generator_digest"] == load_generator(inputs["generator"]).digest
        label = {int(group): share for group, share in record["soft_label"].items()}
        assert sum(label.values()) == pytest.approx(1)
        if record["kind"] == "interior":
            assert label == {record["space_group"]: 1.0}
        else:
            assert set(label) == {record["space_group"], record["partner"]}
            assert record["probe_digest"] == probed.digest and 0 <= record["toward_rare"] <= 0.3
            assert record["z_seed"] in probed.paths.z_seed_a


def test_soft_labels_reach_training(made, inputs):
    classifier = load_classifier(inputs["classifier"])
    samples = load_stack_set(made, class_map=classifier.class_map, view=classifier.view, intensity=classifier.intensity)
    soft = (samples.soft_label > 0).sum(1).tolist()
    assert soft == [1 if record["kind"] == "interior" else 2 for record in records(made)]


def test_the_same_call_is_kept_and_another_is_refused(made, inputs):
    before = made.stat().st_mtime_ns
    synthesize(CONFIG, **inputs, out=made)
    assert made.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="config_digest"):
        synthesize(CONFIG.model_copy(update={"seed": 4}), **inputs, out=made)


def test_the_same_configuration_makes_the_same_file(made, inputs, tmp_path):
    again = synthesize(CONFIG, **inputs, out=tmp_path / "again.h5")
    with StackFile(made) as one, StackFile(again) as other:
        assert one.digest == other.digest


def test_groups_that_get_too_few_are_listed(inputs, tmp_path):
    strict = CONFIG.acceptance.model_copy(update={"interior_probability": 1.1, "boundary_probability": 1.1})
    out = synthesize(CONFIG.model_copy(update={"acceptance": strict, "rounds": 2}), **inputs, out=tmp_path / "none.h5")
    report = read_json(out.with_suffix(".json"))
    assert report["short"] == {kind: [186, 194, 216, 225] for kind in ("interior", "boundary")}
    assert report["made"]["interior"]["225"]["drawn"] == 18
    with StackFile(out) as file:
        assert len(file) == 0


def test_a_classifier_cannot_confirm_itself(inputs, tmp_path):
    with pytest.raises(InputError, match="another one"):
        synthesize(CONFIG, **inputs | {"second_classifier": inputs["classifier"]}, out=tmp_path / "out.h5")


def test_a_probe_of_other_networks_is_refused(inputs, tmp_path):
    with pytest.raises(InputError, match="probe: must have been made with this classifier"):
        synthesize(CONFIG, **inputs | {"classifier": inputs["second_classifier"],
                                       "second_classifier": inputs["classifier"]}, out=tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def test_probe_and_synthesize_open_the_stack_file_once(inputs, tmp_path, monkeypatch):
    opened, init = [], StackFile.__init__
    monkeypatch.setattr(StackFile, "__init__", lambda self, path: opened.append(Path(path)) or init(self, path))
    files = {name: inputs[name] for name in ("generator", "classifier", "stacks", "split")}
    probe(PROBE.model_copy(update={"paths": 1}), **files, out=tmp_path / "probe.h5")
    synthesize(CONFIG.model_copy(update={"rounds": 1}), **inputs, out=tmp_path / "synthetic.h5")
    assert opened == [inputs["stacks"]] * 2
