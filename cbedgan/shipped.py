"""What ships with the package: configurations, stacks, and networks that have names."""

from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from classifier.foundation.atomic import read_json
from classifier.foundation.errors import InputError

BUILTIN = "builtin:"  # before the name of a network that ships
Kind = Literal["classifier", "generator"]


def configs_root() -> Path:
    """The folder of all configurations: in the installed package, else beside it in the repository."""
    package = Path(str(files("cbedgan")))
    for folder in (package / "configs", package.parent / "configs"):
        if folder.is_dir():
            return folder
    raise InputError(source="configs", rule="must come with the package or lie beside it in the repository",
                     value="neither", remedy="Install cbedgan again.")


def config_folder() -> Path:
    """The folder of the demo's configurations."""
    return configs_root() / "demo"


def data_folder() -> Path:
    """The folder of the bundled stacks and pretrained networks."""
    return Path(str(files("cbedgan"))) / "data"


def networks() -> dict[str, dict[str, dict[str, Any]]]:
    """{kind: {name: what its card says in short}} of the networks that ship; `file` lies in the data folder."""
    return read_json(data_folder() / "networks.json")


def network_path(given: str | Path, kind: Kind) -> Path:
    """The checkpoint of a network, by its path or as "builtin:NAME"; an unknown name is an InputError."""
    text = str(given)
    if not text.startswith(BUILTIN):
        return Path(given)
    known = networks()[kind]
    name = text.removeprefix(BUILTIN)
    if name not in known:
        raise InputError(source=text, rule=f"must be a {kind} that ships", value=name,
                         remedy=f"Give one of {', '.join(BUILTIN + one for one in known)}, or a path.")
    return data_folder() / known[name]["file"]


def models(name: str | None = None) -> dict[str, dict[str, dict[str, Any]]]:
    """`networks`, or only those of one name, each with the groups that it knows; an unknown name is an InputError."""
    from classifier.foundation.checkpoint import load_checkpoint

    every = networks()
    wanted = {kind: {one: told for one, told in of.items() if name in (None, one)} for kind, of in every.items()}
    if not any(wanted.values()):
        raise InputError(source=f"cbedgan models {name}", rule="must be the name of a network that ships", value=name,
                         remedy=f"Give one of {', '.join(sorted({one for of in every.values() for one in of}))}.")
    for kind, of in wanted.items():
        for told in of.values():
            checkpoint = load_checkpoint(data_folder() / told["file"],
                                         kind="classifier" if kind == "classifier" else "crystal-generator")
            told |= {"space_groups": list(checkpoint.parts["space_groups"]), "digest": checkpoint.digest,
                     "pixels": checkpoint.parts["detector"]["size_pixels"], "pose": checkpoint.header["pose"],
                     "intensity_unit": checkpoint.header["intensity_unit"],
                     "megabytes": round((data_folder() / told["file"]).stat().st_size / 1e6, 1)}
    return wanted


def models_report(found: dict[str, dict[str, dict[str, Any]]]) -> str:
    """The content of `models` as text."""
    blocks = []
    for kind, of in found.items():
        for name, told in of.items():
            figures = told["figures"]
            well = (f"{figures['balanced_accuracy']:.1%} balanced on {figures['test_stacks']} test stacks of other "
                    f"structure types, among the first three {figures['top_3']:.1%}; {figures['asked_accuracy']:.0%} "
                    f"asked: {figures['answered']} answered, {figures['right_of_answered']} of them right"
                    if kind == "classifier" else
                    f"its crystals are told from real ones with AUC {figures['auc_of_crystals_against_real']:.2f} "
                    f"(real ones from each other {figures['auc_of_real_against_real']:.2f})")
            groups = " ".join(map(str, told["space_groups"]))
            blocks.append(f"{BUILTIN}{name}, {kind}: {told['about']}\n"
                          f"  knows     {len(told['space_groups'])} space groups: {groups}\n"
                          f"  from      {told['trained_on']}\n"
                          f"  how well  {well}\n"
                          f"  takes     {told['pose']} pose, {told['pixels']} pixels, {told['intensity_unit']}\n"
                          f"  made by   {told['made_by']}; card: {told['card']}")
    return "\n\n".join(blocks)


def fitting_classifier(samples: Path) -> str:
    """The first classifier that ships, as "builtin:NAME", whose detector, pose and unit a file has; else InputError."""
    from classifier.prediction.predict import load_classifier
    from classifier.samples.stackfile import StackFile
    from classifier.samples.viewed import Viewed

    fault: InputError | None = None
    for name in networks()["classifier"]:
        classifier = load_classifier(network_path(BUILTIN + name, "classifier"))
        try:
            with StackFile(samples) as file:
                classifier.frame.require(Viewed.of(file, classifier.view, []).frame, samples)
            return BUILTIN + name
        except InputError as unlike:
            fault = fault or unlike
    assert fault is not None
    raise InputError(source=samples, rule="no classifier that ships fits this file; the first " + fault.rule,
                     value=fault.value, remedy="Give --classifier, or bring your patterns to its frame: "
                     "cbedgan import --like builtin:demo.")
