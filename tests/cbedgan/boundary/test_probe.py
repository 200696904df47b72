import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from cbedgan.boundary.margin import LatentClassifier, LatentPaths, translation
from cbedgan.boundary.probe import ProbeConfig, probe
from cbedgan.boundary.probefile import read_probe
from cbedgan.boundary.trace import TraceConfig, trace
from cbedgan.gan.network.generator import load_generator
from cbedgan.gan.network.latents import latents
from classifier.crystal.spacegroup import ClassMap
from classifier.foundation.errors import InputError
from classifier.prediction.predict import load_classifier

TRACE = TraceConfig(grid_points=9, tolerance=1e-4, plausible=0.1, polish_steps=4, polish_eta=0.5, polish_tolerance=0.01)
CONFIG = ProbeConfig(seed=0, threads=1, shots=("few",), partners=1, paths=4, kinds=("class", "latent", "w"),
                     follow_rivals=True, trace=TRACE, paths_at_once=10, batch=32)


def run(networks, out, config=CONFIG, **changes):
    paths = {name: getattr(networks, name) for name in ("generator", "classifier", "stacks", "split")}
    return probe(config, **paths | changes, out=out)


@pytest.fixture(scope="module")
def probed(tiny_networks, tmp_path_factory):
    return read_probe(run(tiny_networks, tmp_path_factory.mktemp("probe") / "probe.h5"))


def test_every_pair_gets_its_paths_of_every_kind(probed):
    paths = probed.paths
    assert (~paths.followed).sum() == 4 * 2 * 4 * 3  # groups, a partner and a control, paths, kinds
    assert set(paths.space_group_a) == {186, 194, 216, 225} and (paths.space_group_a != paths.space_group_b).all()
    assert paths.control.sum() == (~paths.followed).sum() / 2
    assert probed.summary["confusion_from"] == dict.fromkeys(("186", "194", "216", "225"), "validation")
    assert (paths.z_seed_a == paths.z_seed_b).tolist() == (paths.kind == "class").tolist()
    assert np.array_equal(paths.z_a[:3], latents(paths.z_seed_a[:3], 8).numpy())


def test_a_group_starts_at_the_same_samples_against_every_partner(probed):
    paths = probed.paths.take((probed.paths.kind == "class") & (probed.paths.space_group_a == 216)
                              & ~probed.paths.followed)
    first, second = (paths.z_seed_a[paths.space_group_b == group].tolist() for group in set(paths.space_group_b))
    assert first == second and len(set(first)) == 4


def test_most_paths_cross_and_their_points_lie_on_the_boundary(probed):
    paths = probed.paths
    crossed = np.isfinite(paths.crossing)
    assert crossed.mean() > 0.7 and paths.polished[crossed].mean() > 0.5
    assert np.array_equal(crossed, np.isfinite(paths.w).all(1)) and np.array_equal(crossed, paths.crossings > 0)
    assert np.abs(paths.margin_crossing[crossed]).max() < 0.05
    assert np.median(np.abs(paths.margin_polished[crossed])) < 1e-3
    assert np.quantile(np.abs(paths.p_a - paths.p_b)[crossed], 0.9) < 0.01
    assert probed.summary["class"]["crossed"] == pytest.approx(crossed[paths.kind == "class"].mean())


def test_rivals_are_probed_with_the_same_latent(probed):
    paths = probed.paths
    traced = {*zip(paths.kind, paths.space_group_a, paths.space_group_b, paths.z_seed_a, strict=True)}
    assert len(traced) == len(paths)
    rows = paths.take((paths.rival > 0) & ~paths.control & ~paths.followed)
    assert {*zip(rows.kind, rows.space_group_a, rows.rival, rows.z_seed_a, strict=True)} <= traced


def test_polishing_shortens_the_way_to_the_boundary(probed, tiny_networks):
    generator = load_generator(tiny_networks.generator)
    paths = probed.paths.take((probed.paths.kind == "w") & np.isfinite(probed.paths.crossing))
    a, b = (torch.from_numpy(generator.class_map.indices(groups))
            for groups in (paths.space_group_a, paths.space_group_b))
    line = LatentPaths.of("w", generator, torch.from_numpy(paths.z_a), torch.from_numpy(paths.z_b), a, b)
    begin, crossing = line.w(torch.zeros(1)), line.w(torch.from_numpy(paths.crossing))
    assert np.allclose(paths.distance, np.linalg.norm(paths.w - begin.numpy(), axis=1), rtol=1e-4)
    assert (paths.distance <= (crossing - begin).norm(dim=1).numpy() * (1 + 1e-5)).all()


def test_the_margin_is_that_of_the_classifier_on_the_generators_stacks(probed, tiny_networks):
    generator, classifier = load_generator(tiny_networks.generator), load_classifier(tiny_networks.classifier)
    row = probed.paths.take([0])
    a, b = (classifier.class_map.index(group.item()) for group in (row.space_group_a, row.space_group_b))
    x = generator.sample(torch.from_numpy(row.z_a), torch.tensor([a]))
    logits = classifier.logits(x)[0]
    assert float(logits[a] - logits[b]) == pytest.approx(row.margin_at_a.item(), abs=1e-3)


def test_a_finished_probe_is_kept_and_another_is_refused(tiny_networks, tmp_path):
    small = CONFIG.model_copy(update={"kinds": ("class",), "paths": 2})
    out = run(tiny_networks, tmp_path / "probe.h5", small)
    before, digest = out.stat().st_mtime_ns, read_probe(out).digest
    run(tiny_networks, out, small)
    assert out.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="config_digest"):
        run(tiny_networks, out, CONFIG)
    out.unlink()
    assert read_probe(run(tiny_networks, out, small)).digest == digest
    larger_batches = small.model_copy(update={"paths_at_once": 64})
    again = read_probe(run(tiny_networks, tmp_path / "other.h5", larger_batches))
    assert np.allclose(again.paths.crossing, read_probe(out).paths.crossing, atol=2 * TRACE.tolerance, equal_nan=True)


def test_another_kind_of_network_is_refused(tiny_networks, tmp_path):
    with pytest.raises(InputError, match="kind"):
        run(tiny_networks, tmp_path / "probe.h5", generator=tiny_networks.classifier)
    assert not (tmp_path / "probe.h5").exists()


def test_shots_without_a_group_are_refused(tiny_networks, tmp_path):
    with pytest.raises(InputError, match="training materials"):
        run(tiny_networks, tmp_path / "probe.h5", CONFIG.model_copy(update={"shots": ("many",)}))


def test_training_stacks_rank_the_partners_of_groups_without_validation(tiny_networks, tmp_path, monkeypatch):
    import cbedgan.boundary.probe as stage
    classifier = load_classifier(tiny_networks.classifier)
    parts = stage.load_split(tiny_networks.split, stack_digest=classifier.stack_digest)
    read = []
    label = stage.stack_set
    monkeypatch.setattr(stage, "stack_set", lambda *a, **k: read.extend(a[1].sample_id.tolist()) or label(*a, **k))
    with stage.StackFile(tiny_networks.stacks) as file:
        group = dict(zip(file.table.sample_id.tolist(), file.table.space_group.tolist(), strict=True))
        without = tuple(name for name in parts.parts["validation"] if group[name] != 225)
        rare, confusion, origin = stage.measure_confusion(
            CONFIG, classifier, replace(parts, parts=parts.parts | {"validation": without}), file)
    assert origin == {"186": "validation", "194": "validation", "216": "validation", "225": "train"}
    assert rare.tolist() == [0, 1, 2, 3] and np.allclose(confusion.sum(1), 1)
    assert read and not set(read) & set(parts.parts["test"])


def test_intensity_scales_are_translated_only_where_they_differ(tiny_networks):
    scale = load_generator(tiny_networks.generator).intensity
    x = torch.linspace(-1, 1, 48).reshape(1, 3, 4, 4)
    assert translation(scale, scale.from_state(scale.state()))(x) is x
    doubled = replace(scale, high=2 * scale.high)
    assert torch.allclose(translation(scale, doubled)(x), (x + 1) / 2 - 1, atol=1e-5)


def test_generator_and_classifier_must_share_split_and_class_map(tiny_networks):
    generator, classifier = load_generator(tiny_networks.generator), load_classifier(tiny_networks.classifier)
    with pytest.raises(InputError, match="split"):
        LatentClassifier.of(replace(generator, split_digest="0" * 64), classifier, batch=8)
    with pytest.raises(InputError, match="class map"):
        LatentClassifier.of(replace(generator, class_map=ClassMap((186, 194, 216))), classifier, batch=8)


def test_paths_that_never_cross_are_left_without_a_boundary_point():
    latent_classifier = LatentClassifier(lambda w: w, lambda x: torch.stack([x[:, 0], 0 * x[:, 0] - 9], 1), batch=4)
    z, e = torch.ones(3, 2), torch.zeros(3, 1)
    paths = LatentPaths("class", lambda z, e: torch.cat([z, e], 1), z, z, e, e)
    measured = trace(latent_classifier, paths, torch.tensor([0, 0, 0]), torch.tensor([1, 1, 1]), TRACE)
    assert measured["margin_at_a"].tolist() == [10.0] * 3 and measured["crossings"].tolist() == [0] * 3
    assert np.isnan(measured["crossing"]).all() and np.isnan(measured["w"]).all() and not measured["polished"].any()


def test_a_damaged_probe_is_not_taken_for_a_finished_one(tiny_networks, tmp_path):
    shutil.copy(tiny_networks.stacks, tmp_path / "probe.h5")
    with pytest.raises(InputError, match="format"):
        run(tiny_networks, tmp_path / "probe.h5")
