"""Imports run one way, some libraries stay in the modules that own them, and nothing is pickled."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("classifier", "cbedgan")

# A module imports from its own layer or from earlier ones. A new module of `classifier` needs its place here;
# in `cbedgan` the folder gives it.
CLASSIFIER_LAYERS = (
    "errors memory workers atomic electron config run spacegroup intensity geometry reciprocal disk_lattice pose olcf "
    "reduction augment sampling backbone self_comparison eight_views batch_draws azimuthal_features ranks model "
    "losses metrics "
    "feature_bank plausibility trust holdout sampletable pattern subgroups levels "
    "acquisition bootstrap calibration tasks task_heads task_scores task_answers pose_embedding "
    "subgroup_errors measured judgement_figures descriptors baselines",
    "checkpoint stacklayout stackfile cache prefetch viewed",
    "shard preparation_report olcf_files stfc prepare",
    "split folds",
    "pose_input dataset side_data predict narrow acquire leaks survey catalog inspection_page pattern_units "
    "pattern_source pattern_hdf5 "
    "pattern_files pattern_frame pattern_pose import_patterns ensemble",
    "trust_fitting answers answer_table scores judgement_page judgement train_baseline "
    "stopping train_config batches state step train "
    "head_training post_hoc",
)
CBEDGAN_LAYERS = ("simulate", "gan fidelity", "boundary", "synthesis", "comparison acquisition ablation demo bench",
                  "cli __main__")

# Library: the modules that may import it.
OWNERS = {
    "h5py": {"classifier.stackfile", "classifier.stacklayout", "classifier.olcf_files", "classifier.pattern_hdf5",
             "cbedgan.boundary.probefile", "cbedgan.simulate.olcf_layout"},
    "hdf5plugin": {"classifier.stacklayout"},
    "pymatgen": {"cbedgan.simulate"},
    "moyopy": {"cbedgan.simulate"},
    "jinja2": {"cbedgan.comparison.page", "cbedgan.fidelity.report", "classifier.inspection_page",
               "classifier.judgement_page"},
    "submitit": {"cbedgan.simulate.slurm"},
    "typer": {"cbedgan.cli"},
    "abtem": {"cbedgan.bench.simulate"},
}
# Modules that draw; no other touches matplotlib.
DRAWING = {"cbedgan.comparison.figures", "cbedgan.comparison.ranking_figures", "cbedgan.acquisition.figures",
           "cbedgan.gan.contact_sheet", "classifier.judgement_figures",
           "classifier.inspection_page"}
# What `comparison` may take from the stages whose files it reads; `walk` also plays one path through the generator.
COMPARISON_READS = {"cbedgan.comparison", "cbedgan.boundary.probefile"}
WALK_READS = COMPARISON_READS | {"cbedgan.boundary.margin", "cbedgan.gan.generator"}
PICKLING = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "tools", "base"}


def modules() -> dict[str, Path]:
    """Every module of both packages: {dotted name: file}."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(source: str) -> set[str]:
    """Absolute dotted names that a module imports anywhere in its source; `from a import b` gives a and a.b."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import at line {node.lineno}: imports are absolute"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def within(name: str, owners: set[str]) -> bool:
    """Whether a module is one of the owners or lies in one of them."""
    return any(name == owner or name.startswith(owner + ".") for owner in owners)


def layer(name: str) -> int:
    """Position of a module among the layers, cbedgan's after classifier's."""
    layers = CLASSIFIER_LAYERS + CBEDGAN_LAYERS
    first = 0 if name.startswith("classifier.") else len(CLASSIFIER_LAYERS)
    last = len(CLASSIFIER_LAYERS) if first == 0 else len(layers)
    places = [k for k in range(first, last) if name.split(".")[1] in layers[k].split()]
    assert len(places) == 1, f"{name} has no layer yet: give it one in tests/test_layering.py"
    return places[0]


def breaches(name: str, source: str, known: set[str]) -> Iterator[str]:
    """Say which rules the source of the module `name` breaks; known: all modules of both packages."""
    for target in sorted(imported(source)):
        library = target.split(".")[0]
        if library in PICKLING:
            yield f"{name} imports {target}: nothing is pickled"
        if library in OWNERS and not within(name, OWNERS[library]):
            yield f"{name} imports {target}: only {', '.join(sorted(OWNERS[library]))} may"
        if library == "matplotlib" and name not in DRAWING:
            yield f"{name} imports {target}: it is none of the drawing modules"
        if library == "cbedgan" and name.split(".")[0] == "classifier":
            yield f"{name} imports {target}: classifier knows nothing of cbedgan"
        elif target in known and "." in target and "." in name and layer(target) > layer(name):
            yield f"{name} imports {target}, of a later layer"
        if name.startswith("cbedgan.comparison") and library == "cbedgan" and target in known:
            readable = WALK_READS if name == "cbedgan.comparison.walk" else COMPARISON_READS
            # The package itself appears as the parent of what is taken from it.
            if not within(target, readable) and not any(module.startswith(target + ".") for module in readable):
                yield f"{name} imports {target}: comparison reads files"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("torch.load", "torch.save", "torch.jit.load"):
            yield f"{name} line {node.lineno}: {ast.unparse(node)} goes through pickle"
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            yield f"{name} line {node.value.lineno}: allow_pickle"
    if name.split(".")[-1] in VAGUE_NAMES:
        yield f"{name}: the name says nothing of what the module owns"


@pytest.mark.parametrize("name", modules())
def test_module_keeps_the_rules(name):
    assert list(breaches(name, modules()[name].read_text(encoding="utf-8"), set(modules()))) == []


def test_imports_make_no_circle():
    known = set(modules())
    graph = {name: (imported(path.read_text(encoding="utf-8")) & known) - {name} for name, path in modules().items()}
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("name, source, breach", [
    ("classifier.model", "import cbedgan.gan.ema", "knows nothing of cbedgan"),
    ("classifier.model", "from classifier import train", "of a later layer"),
    ("classifier.run", "def f():\n    from classifier.stackfile import StackFile", "of a later layer"),
    ("cbedgan.gan.ema", "import cbedgan.boundary.probe", "of a later layer"),
    ("cbedgan.comparison.study", "from cbedgan.gan.ema import x", "comparison reads files"),
    ("cbedgan.comparison.study", "from cbedgan.boundary.margin import x", "comparison reads files"),
    ("classifier.split", "import h5py", "only cbedgan.boundary.probefile"),
    ("classifier.metrics", "import matplotlib.pyplot as plt", "drawing modules"),
    ("classifier.checkpoint", "import torch\ntorch.save({}, 'a')", "torch.save goes through pickle"),
    ("classifier.checkpoint", "import pickle", "nothing is pickled"),
    ("classifier.predict", "np.load(path, allow_pickle=True)", "allow_pickle"),
    ("cbedgan.gan.utils", "", "says nothing"),
])
def test_each_rule_can_be_broken(name, source, breach):
    (found,) = breaches(name, source, set(modules()) | {"cbedgan.gan.ema", "cbedgan.boundary.probe"})
    assert breach in found


@pytest.mark.parametrize("name, source", [
    ("cbedgan.comparison.page", "from cbedgan.boundary.probefile import x\nimport jinja2"),
    ("cbedgan.comparison.study", "from classifier import pattern"),
    ("cbedgan.gan.train", "from classifier.train import x\nfrom classifier.pattern import y"),
    ("classifier.stackfile", "import h5py\nfrom classifier import stacklayout"),
])
def test_what_is_allowed_passes(name, source):
    assert list(breaches(name, source, set(modules()))) == []


def test_a_module_without_a_layer_and_a_relative_import_are_named():
    with pytest.raises(AssertionError, match="classifier.novel has no layer"):
        layer("classifier.novel")
    with pytest.raises(AssertionError, match="relative import"):
        imported("from . import x")
