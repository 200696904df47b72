"""The house: rooms import one way, as their own first lines say; some libraries stay with their owners; no pickle."""

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter

import pytest

from project import MODULES, ROOT

MOST_FILES, MOST_LINES = 15, 300
FREE = {"classifier", "cbedgan", "cbedgan.cli"}  # the packages; `demo` and the verbs call every stage

# Library: the rooms and modules that may import it.
OWNERS = {
    "h5py": {"classifier.samples", "classifier.published.olcf_files", "classifier.imported.hdf5",
             "cbedgan.boundary.probefile", "cbedgan.simulate.olcf_layout"},
    "hdf5plugin": {"classifier.samples.stacklayout"},
    "pymatgen": {"cbedgan.crystal", "cbedgan.simulate.olcf_layout"},
    "moyopy": {"cbedgan.crystal"},
    "pyxtal": {"cbedgan.crystal.wyckoff.freeze"},
    "jinja2": {"classifier.foundation.page"},
    "submitit": {"cbedgan.simulate.slurm"},
    "typer": {"cbedgan.cli"},
    "abtem": {"cbedgan.bench.simulate"}}
# Modules that draw; no other touches matplotlib.
DRAWING = {"classifier.foundation.drawing", "cbedgan.comparison.figures", "cbedgan.ranking.figures",
           "cbedgan.study.figures",
           "cbedgan.acquisition.figures", "cbedgan.gan.reporting.contact_sheet", "classifier.judgement.figures",
           "classifier.judgement.reading_figures", "classifier.kind.curves", "classifier.kind.cbed",
           "classifier.explanation.figure", "cbedgan.distortion.report.strip", "cbedgan.densify.figures"}
# `comparison` reads files; only `walk` plays one path through the generator.
FROM_STAGES = {"cbedgan.boundary.probefile", "cbedgan.boundary.margin", "cbedgan.gan.network.generator"}
# Rooms that render, augment, import or draw; every other takes samples [N, C, *spatial] of any kind of measurement.
KNOW_KINDS = {"classifier.kind", "classifier.imported", "classifier.inspection", "cbedgan.simulate", "cbedgan.render"}
PICKLING = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "tools", "base"}


ROOMS = {name: path for name, path in MODULES.items() if path.name == "__init__.py"}


def room_of(name: str) -> str:
    """The room that a module lies in; a room lies in itself."""
    return name if name in ROOMS else name.rpartition(".")[0]


def stated(room: str) -> set[str]:
    """Dotted names of what a room's first lines let it import; AssertionError where they do not say."""
    text = ast.get_docstring(ast.parse(ROOMS[room].read_text(encoding="utf-8"))) or ""
    _, says, rooms = text.rpartition("\n\nMay import: ")
    assert says, f"{room}/__init__.py does not say what it may import"
    names = [] if rooms == "nothing of this project." else rooms.rstrip(".").split(", ")
    allowed = {name if name == "classifier" else f"{room.split('.')[0]}.{name}" for name in names}
    assert allowed <= set(ROOMS), f"{room} may import {allowed - set(ROOMS)}, which is no room"
    return allowed


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


def breaches(name: str, source: str) -> Iterator[str]:
    """Say which rules the source of the module `name` breaks."""
    room = room_of(name)
    allowed = {room} | (set() if room in FREE else stated(room))
    for target in sorted(imported(source)):
        library = target.split(".")[0]
        if library in PICKLING:
            yield f"{name} imports {target}: nothing is pickled"
        if library in OWNERS and not within(name, OWNERS[library]):
            yield f"{name} imports {target}: only {', '.join(sorted(OWNERS[library]))} may"
        if library == "matplotlib" and name not in DRAWING:
            yield f"{name} imports {target}: it is none of the drawing modules"
        if target in set(MODULES) - set(ROOMS) and within(target, {"classifier.kind"}) and not within(room, KNOW_KINDS):
            yield f"{name} imports {target}: only what renders, augments, imports or draws knows a kind of measurement"
        if target in MODULES and target not in ROOMS:
            if room not in FREE and room_of(target) not in allowed and not (
                    "classifier" in allowed and library == "classifier"):
                yield f"{name} imports {target}: {room} may not import {room_of(target)}"
            if room == "cbedgan.comparison" and library == "cbedgan" and room_of(target) != room and (
                    target not in FROM_STAGES or (name != "cbedgan.comparison.walk" and "probefile" not in target)):
                yield f"{name} imports {target}: comparison reads files"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("torch.load", "torch.save", "torch.jit.load"):
            yield f"{name} line {node.lineno}: {ast.unparse(node)} goes through pickle"
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            yield f"{name} line {node.value.lineno}: allow_pickle"
    if name.split(".")[-1] in VAGUE_NAMES:
        yield f"{name}: the name says nothing of what the module owns"


@pytest.mark.parametrize("name", MODULES)
def test_module_keeps_the_rules(name):
    assert list(breaches(name, MODULES[name].read_text(encoding="utf-8"))) == []
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_rooms_and_modules_make_no_circle():
    TopologicalSorter({room: stated(room) for room in set(ROOMS) - FREE}).prepare()
    TopologicalSorter({name: (imported(path.read_text(encoding="utf-8")) & set(MODULES)) - {name}
                       for name, path in MODULES.items()}).prepare()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_not_crowded_and_says_what_it_is_for_in_three_lines(room):
    files = [path for path in ROOMS[room].parent.iterdir() if path.is_file()]
    assert len(files) <= MOST_FILES
    if room not in FREE:
        assert len(ast.get_docstring(ast.parse(ROOMS[room].read_text(encoding="utf-8"))).splitlines()) == 3


def test_tests_mirror_the_source():
    places = Counter(path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("*.py"))
    rooms = {str(place).replace("/", ".") for place in places} - {".", "support"}
    assert rooms <= set(ROOMS) and max(places.values()) <= MOST_FILES


@pytest.mark.parametrize("name, source, breach", [
    ("classifier.network.model", "import cbedgan.gan.ema", "may not import cbedgan.gan"),
    ("classifier.network.model", "from classifier.training import train", "may not import classifier.training"),
    ("classifier.foundation.run", "def f():\n    from classifier.samples.stackfile import X", "may not import"),
    ("cbedgan.gan.ema", "import cbedgan.boundary.probe", "may not import cbedgan.boundary"),
    ("cbedgan.comparison.study", "from cbedgan.gan.network.generator import x", "comparison reads files"),
    ("cbedgan.comparison.study", "from cbedgan.boundary.margin import x", "comparison reads files"),
    ("cbedgan.comparison.study", "from classifier.kind.xrd import Xrd", "knows a kind of measurement"),
    ("cbedgan.gan.train", "from classifier.kind import xrd", "knows a kind of measurement"),
    ("classifier.statistics.metrics", "import h5py", "only cbedgan.boundary.probefile"),
    ("classifier.statistics.metrics", "import matplotlib.pyplot as plt", "drawing modules"),
    ("classifier.foundation.checkpoint", "import torch\ntorch.save({}, 'a')", "torch.save goes through pickle"),
    ("classifier.foundation.checkpoint", "import pickle", "nothing is pickled"),
    ("classifier.prediction.predict", "np.load(path, allow_pickle=True)", "allow_pickle"),
    ("cbedgan.gan.utils", "", "says nothing")])
def test_each_rule_can_be_broken(name, source, breach):
    (said,) = breaches(name, source)
    assert breach in said


@pytest.mark.parametrize("name, source", [
    ("cbedgan.comparison.study", "from cbedgan.boundary.probefile import x"),
    ("cbedgan.comparison.walk", "from cbedgan.boundary.margin import x"),
    ("cbedgan.simulate.plan", "from classifier.kind.xrd import Xrd"),
    ("cbedgan.comparison.study", "from classifier.pattern import symmetry"),
    ("cbedgan.gan.train", "from classifier.training.train import x\nfrom classifier.pattern.symmetry import y"),
    ("classifier.samples.stackfile", "import h5py\nfrom classifier.samples import stacklayout")])
def test_what_is_allowed_passes(name, source):
    assert list(breaches(name, source)) == []


def test_a_relative_import_is_named():
    with pytest.raises(AssertionError, match="relative import"):
        imported("from . import x")
