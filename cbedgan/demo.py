"""The whole loop on the bundled data, stage after stage; and the pretrained networks that shorten it."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cbedgan.comparison.study import CompareConfig, compare
from cbedgan.distortion.distort import DistortConfig, distort
from cbedgan.gan.crystals.train_crystals import TrainCrystalsConfig, train_crystals
from cbedgan.gan.crystals.trained_crystals import load_crystals
from cbedgan.shipped import config_folder, data_folder
from cbedgan.synthesis.crystals.synthesize_crystals import SynthesizeCrystalsConfig, synthesize_crystals
from classifier.foundation.atomic import atomic_path, read_json
from classifier.foundation.config import AnyConfig, Config, load_config
from classifier.prediction.predict import load_classifier
from classifier.samples.split import SplitConfig, load_split, split
from classifier.samples.stackfile import StackFile
from classifier.training.train import TrainClassifierConfig, train_classifier

NETWORKS = ("generator", "classifier", "second_classifier")


def _config(name: str, model: type[AnyConfig]) -> AnyConfig:
    return load_config(config_folder() / f"{name}.toml", model)


def _second(config: TrainClassifierConfig) -> TrainClassifierConfig:
    """The configuration of the second classifier: the same with another seed."""
    return config.model_copy(update={"seed": config.seed + 1})


def pretrain(out: Path) -> Path:
    """Train the generator and both classifiers that `demo --pretrained` uses, and leave them in `out`; resumes."""
    out, stacks = Path(out), data_folder() / "demo.h5"
    data = {"stacks": stacks, "split": split(_config("split", SplitConfig), stacks=stacks, out=out / "split.json")}
    config = _config("train_clf", TrainClassifierConfig)
    trained = {name: train_classifier(each, stacks=data["stacks"], split=data["split"], out=out / "runs" / name)
               for name, each in (("classifier", config), ("second_classifier", _second(config)))}
    trained["generator"] = train_crystals(_config("train_gan", TrainCrystalsConfig), **data,
                                          out=out / "runs/generator")
    for name, path in trained.items():
        for suffix in (".safetensors", ".json"):
            with atomic_path(out / f"{name}{suffix}") as temporary:
                shutil.copyfile(path.with_suffix(suffix), temporary)
    return out


def _pretrained(split_digest: tuple[str, ...]) -> dict[str, Path]:
    """Paths of the shipped networks; any that comes from another split than this one is an InputError."""
    paths = {name: data_folder() / f"{name}.safetensors" for name in NETWORKS}
    for name, path in paths.items():
        (load_crystals if name == "generator" else load_classifier)(path, split_digest=split_digest)
    return paths


def demo(out: Path, *, pretrained: bool, workers: int) -> Path:
    """Run every stage on the bundled stacks into the folder `out`, print verdict and times; return the report's path.

    pretrained: take the shipped generator and classifiers instead of training them. Rerunning resumes.
    """
    out, stacks, console = Path(out), data_folder() / "demo.h5", Console()
    seconds: dict[str, float] = {}

    def run(name: str, stage: Callable[..., Path], config: Config, **files: Any) -> Path:
        console.rule(name, align="left", style="dim")
        start = time.perf_counter()
        path = stage(config, **files)
        seconds[name] = time.perf_counter() - start
        return path

    data = {"stacks": stacks,
            "split": run("split", split, _config("split", SplitConfig), stacks=stacks, out=out / "split.json")}
    if pretrained:
        with StackFile(stacks) as file:
            networks = _pretrained(load_split(data["split"], stack_digest=file.identity).names)
    else:
        config = _config("train_clf", TrainClassifierConfig)
        networks = {
            "classifier": run("train-clf", train_classifier, config, **data, out=out / "classifier"),
            "second_classifier": run("train-clf, second", train_classifier, _second(config), **data,
                                     out=out / "second_classifier")}
        networks["generator"] = run("train-gan", train_crystals, _config("train_gan", TrainCrystalsConfig), **data,
                                    out=out / "generator")
    seeing = {"classifiers": [networks["classifier"], networks["second_classifier"]], "workers": workers}
    found = run("distort", distort, _config("distort", DistortConfig), **seeing, **data, out=out / "distort")
    made = run("synthesize", synthesize_crystals, _config("synthesize", SynthesizeCrystalsConfig), **seeing, **data,
               generator=networks["generator"], paths=found.parent, out=out / "synthetic.h5")
    report = run("compare", compare, _config("compare", CompareConfig), **data, synthetic=made, out=out / "compare",
                 workers=workers)
    _conclude(console, report, seconds)
    return report


def _conclude(console: Console, report: Path, seconds: dict[str, float]) -> None:
    """Print how long each stage took, the verdict and where the report lies."""
    table = Table("stage", "seconds", box=None, pad_edge=False, header_style="dim")
    table.columns[1].justify = "right"
    for name, value in (*seconds.items(), ("in all", sum(seconds.values()))):
        table.add_row(name, f"{value:.0f}")
    console.rule(style="dim")
    console.print(table, "", read_json(report.with_suffix(".json"))["headline"], sep="\n")
    console.print(f"Report: {report}", soft_wrap=True, highlight=False)
