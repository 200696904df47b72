"""The verbs of the command line: each reads a configuration and calls one stage; no logic of its own."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.text import Text

from cbedgan import __version__
from classifier.errors import InputError

SIMULATION_PACKAGES = ("moyopy", "pymatgen")
EXIT_DAMAGED, EXIT_INPUT, EXIT_INTERRUPTED = 1, 2, 130

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False,
                  help="CBED stacks: simulate, classify, generate, find the decision boundary, fill it, and compare.")

Config = Annotated[Path, typer.Option(help="TOML file of this stage; configs/demo/ holds one for each.")]
Stacks = Annotated[Path, typer.Option(help="Stack file (.h5).")]
Split = Annotated[Path, typer.Option(help="split.json of these stacks.")]
Generator = Annotated[Path, typer.Option(help="generator.safetensors of this split.")]
Classifier = Annotated[Path, typer.Option(help="classifier.safetensors of this split.")]
Folder = Annotated[Path, typer.Option(help="Run folder; the same command resumes in it.")]
File = Annotated[Path, typer.Option(help="File to write.")]
Cache = Annotated[Path | None, typer.Option(help="Folder for stacks that do not fit in memory: mapped, not loaded.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes at a time.")]
CORES = os.cpu_count() or 1
SIZES, READERS = [64, 128, 256, 512], [1, 2]  # of bench data
Layout = Literal["olcf", "stfc"]
Strategy = Literal["random", "entropy", "margin", "bald", "core_set", "boundary"]


def _wrote(path: Path) -> None:
    if os.environ.get("RANK", "0") != "0":
        return  # of the processes that torchrun starts, one speaks
    Console(soft_wrap=True).print("Wrote", Text(str(path), style="green"))


def _print_version(asked: bool) -> None:
    if asked:
        print(f"cbedgan {__version__}")
        raise typer.Exit


@app.callback()
def options(version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True,
                                                  help="Show the version and leave.")] = False) -> None:
    """Options that stand before the verb."""


@app.command()
def simulate(config: Config, out: File, workers: Workers = CORES,
             crystals: Annotated[Path | None, typer.Option(
                 help="Structure file, or folder of them, in place of the plan.")] = None,
             shard: Annotated[str | None, typer.Option(
                 metavar="i/n", help="Work on that share only; the same without this merges.")] = None,
             merge: Annotated[bool, typer.Option(help="With --shard: make a stack file of that share alone.")] = False,
             device: Annotated[str, typer.Option(help="cpu, or cuda, which all processes share.")] = "cpu",
             slurm: Annotated[int | None, typer.Option(
                 min=1, metavar="n", help="Submit n shares as a SLURM array (needs the extra \"slurm\").")] = None,
             partition: Annotated[str | None, typer.Option(help="Of SLURM.")] = None,
             minutes: Annotated[int, typer.Option(min=1, help="Of one SLURM job; then it is queued again.")] = 240,
             at_once: Annotated[int, typer.Option(min=1, help="SLURM jobs at a time.")] = 64) -> None:
    """Simulate CBED stacks of crystals into a stack file (needs the extra "simulate")."""
    missing = [name for name in SIMULATION_PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(source="cbedgan simulate", rule="needs the extra 'simulate'", value=f"no {', '.join(missing)}",
                         remedy="Install it: pip install 'cbedgan[simulate]'.")
    from cbedgan.simulate.manifest import Share
    from cbedgan.simulate.simulate import simulate as stage
    from cbedgan.simulate.stack import SimulateConfig
    from classifier.config import load_config

    settings = load_config(config, SimulateConfig)
    if slurm is None:
        share = None if shard is None else Share.parse(shard)
        _wrote(stage(settings, out=out, workers=workers, crystals=crystals, share=share, alone=merge,
                     device=device))
        return
    from cbedgan.simulate.slurm import Cluster, submit

    jobs = submit(settings, Cluster(slurm, minutes, at_once, partition), out=out, workers=workers, crystals=crystals,
                  device=device)
    print(f"Submitted {len(jobs)} jobs from {jobs[0].job_id} on. The same without --slurm merges at the end.")


@app.command()
def crystals(config: Config,
             files: Annotated[Path | None, typer.Option(help="Structure file or folder, to be counted too.")] = None,
             tries: Annotated[int, typer.Option(min=1, help="Random crystals drawn of each group.")] = 4) -> None:
    """Count the crystals, space groups and structure types of each source (config: of simulate)."""
    from cbedgan.simulate.sources import count_sources, source_table
    from cbedgan.simulate.stack import SimulateConfig
    from classifier.config import load_config

    settings = load_config(config, SimulateConfig)
    Console().print(source_table(count_sources(settings.crystals.random, seed=settings.seed, tries=tries, files=files)))


@app.command()
def prepare(config: Config, out: File,
            source: Annotated[Path, typer.Option(help="Folder into which the data set was unpacked.")],
            workers: Workers = CORES,
            layout: Annotated[Layout | None, typer.Option(help="Of the source; by its folders when left out.")]
            = None) -> None:
    """Reduce the published OLCF data set (10.13139/OLCF/1510313), or its STFC copy, to a stack file."""
    from classifier.config import load_config
    from classifier.prepare import PrepareConfig
    from classifier.prepare import prepare as stage

    _wrote(stage(load_config(config, PrepareConfig), source=source, out=out, workers=workers, layout=layout))


@app.command("import")
def import_(config: Config, out: File,
            files: Annotated[list[Path], typer.Argument(help="HyperSpy, NeXus, EMD, .npy or TIFF files.")],
            like: Annotated[Path | None, typer.Option(
                help="Classifier (.safetensors) whose detector, pose and unit the patterns shall have.")] = None,
            dark: Annotated[Path | None, typer.Option(help="File of one pattern without the beam, subtracted.")] = None,
            ) -> None:
    """Bring your own patterns into a stack file that predict accepts."""
    from classifier.config import load_config
    from classifier.import_patterns import ImportConfig, import_patterns

    _wrote(import_patterns(load_config(config, ImportConfig), files=files, out=out, like=like, dark=dark))


@app.command("export-olcf")
def export_olcf(stacks: Annotated[Path, typer.Argument(help="Stack file of simulate: raw pose, 512 pixels.")],
                out: Annotated[Path, typer.Option(help="Folder for train/, dev/ and test/; the same command resumes.")],
                samples_per_file: Annotated[int, typer.Option(min=1, help="Samples in a batch file.")] = 20,
                partition: Annotated[str | None, typer.Option(help="Part of stacks that have none: train, validation "
                                                              "or test.")] = None) -> None:
    """Write simulated stacks in the layout of the published OLCF data set (see configs/olcf/simulate.toml)."""
    from cbedgan.simulate.olcf_layout import export_olcf as write

    _wrote(write(stacks, out=out, samples_per_file=samples_per_file, partition=partition))


@app.command()
def inspect(paths: Annotated[list[Path], typer.Argument(help="Stack files, or folders of them.")],
            verify: Annotated[bool, typer.Option(help="Read every stack and check it.")] = False,
            split: Annotated[Path | None, typer.Option(help="split.json: look for leaks between its parts.")] = None,
            json: Annotated[Path | None, typer.Option(help="Write the same as JSON.")] = None,
            html: Annotated[Path | None, typer.Option(help="Write the same as a page, with pictures.")] = None) -> None:
    """Count what stack files hold of each space group, and say what is wrong with them (code 1: damaged)."""
    from classifier.atomic import write_json
    from classifier.catalog import catalog
    from classifier.inspection_page import write_inspection_page

    found = catalog(paths, verify=verify, split=split)
    Console().print(found.table())
    if json is not None:
        write_json(json, found.to_json())
        _wrote(json)
    if html is not None:
        write_inspection_page(html, found)
        _wrote(html)
    if found.faults:
        raise typer.Exit(EXIT_DAMAGED)


@app.command()
def split(config: Config, stacks: Stacks, out: File) -> None:
    """Part the materials into train, validation and test."""
    from classifier.config import load_config
    from classifier.split import SplitConfig
    from classifier.split import split as stage

    _wrote(stage(load_config(config, SplitConfig), stacks=stacks, out=out))


@app.command()
def folds(config: Config, stacks: Stacks, split: Split,
          out: Annotated[Path, typer.Option(help="Folder for fold-1.json and so on.")]) -> None:
    """Part the train and validation materials of a split anew, K times, so that each is in validation once."""
    from classifier.config import load_config
    from classifier.folds import FoldsConfig
    from classifier.folds import folds as stage

    _wrote(stage(load_config(config, FoldsConfig), stacks=stacks, split=split, out=out))


@app.command("train-clf")
def train_clf(config: Config, stacks: Stacks, split: Split, out: Folder,
              synthetic: Annotated[Path | None, typer.Option(help="Stack file to train on as well.")] = None,
              cache: Cache = None) -> None:
    """Train the classifier on the train part."""
    from classifier.config import load_config
    from classifier.train import TrainClassifierConfig, train_classifier

    _wrote(train_classifier(load_config(config, TrainClassifierConfig), stacks=stacks, split=split, out=out,
                            synthetic=synthetic, cache=cache))


@app.command("train-baseline")
def train_baseline(config: Config, stacks: Stacks, split: Split, out: Folder) -> None:
    """Fit a model that is no network on stated descriptors (configs/baselines/), judged like the networks."""
    from classifier.config import load_config
    from classifier.train_baseline import TrainBaselineConfig
    from classifier.train_baseline import train_baseline as stage

    _wrote(stage(load_config(config, TrainBaselineConfig), stacks=stacks, split=split, out=out))


@app.command("train-gan")
def train_gan(config: Config, stacks: Stacks, split: Split, out: Folder,
              classifier: Annotated[Path | None, typer.Option(help="Its features judge the fidelity.")] = None,
              cache: Cache = None) -> None:
    """Train the generator on the train part."""
    from cbedgan.gan.train import TrainGanConfig
    from cbedgan.gan.train import train_gan as stage
    from classifier.config import load_config

    _wrote(stage(load_config(config, TrainGanConfig), stacks=stacks, split=split, out=out, classifier=classifier,
                 cache=cache))


@app.command()
def probe(config: Config, generator: Generator, classifier: Classifier, stacks: Stacks, split: Split,
          out: File) -> None:
    """Find the decision boundary between rare groups and those they are confused with."""
    from cbedgan.boundary.probe import ProbeConfig
    from cbedgan.boundary.probe import probe as stage
    from classifier.config import load_config

    _wrote(stage(load_config(config, ProbeConfig), generator=generator, classifier=classifier, stacks=stacks,
                 split=split, out=out))


@app.command()
def synthesize(config: Config, probe: Annotated[Path, typer.Option(help="probe.h5 of these networks.")],
               generator: Generator, classifier: Classifier,
               second_classifier: Annotated[Path, typer.Option(help="A classifier of another seed, which accepts.")],
               stacks: Stacks, split: Split, out: File) -> None:
    """Make interior and boundary stacks, accepted by a second classifier, into a stack file."""
    from cbedgan.synthesis.synthesize import SynthesizeConfig
    from cbedgan.synthesis.synthesize import synthesize as stage
    from classifier.config import load_config

    _wrote(stage(load_config(config, SynthesizeConfig), probe=probe, generator=generator, classifier=classifier,
                 second_classifier=second_classifier, stacks=stacks, split=split, out=out))


@app.command("adjust-clf")
def adjust_clf(config: Config, classifier: Classifier, stacks: Stacks, split: Split, out: Folder) -> None:
    """Mend the head of a trained classifier: adjusted logits, normalised or re-trained weights."""
    from classifier.config import load_config
    from classifier.post_hoc import PostHocConfig, post_hoc

    _wrote(post_hoc(load_config(config, PostHocConfig), classifier=classifier, stacks=stacks, split=split, out=out))


@app.command()
def compare(config: Config, stacks: Stacks, split: Split, out: Folder,
            synthetic: Annotated[Path | None, typer.Option(help="Stack file that synthesize wrote.")] = None,
            workers: Workers = CORES,
            probe: Annotated[Path | None, typer.Option(help="probe.h5, to picture a path (with both nets).")] = None,
            generator: Annotated[Path | None, typer.Option(help="The generator that was probed.")] = None,
            classifier: Annotated[Path | None, typer.Option(help="The classifier that was probed.")] = None,
            reserve: Annotated[Path | None, typer.Option(help="Real stacks for the arm that adds as many.")] = None,
            methods: Annotated[Path | None, typer.Option(
                help="Folder of methods to rank (.toml each), in place of --synthetic.")] = None,
            runs: Annotated[list[Path] | None, typer.Option(
                help="With --methods: finished run folder of another method; may be repeated.")] = None) -> None:
    """Train every arm with every seed and report whether the synthetic stacks helped; or rank methods."""
    if (methods is None) == (synthetic is None) or (methods is None and runs):
        raise InputError(source="cbedgan compare", rule="needs --synthetic, or --methods with or without --runs",
                         value=f"synthetic {synthetic}, methods {methods}, runs {runs}",
                         remedy="Give --synthetic to judge synthetic stacks, --methods to rank methods.")
    from classifier.config import load_config

    if methods is not None:
        from cbedgan.comparison.ranking import RankConfig, rank

        path = rank(load_config(config, RankConfig), methods=methods, stacks=stacks, split=split, out=out,
                    workers=workers, runs=runs or ())
        print((path.parent / "ranking.txt").read_text(encoding="utf-8"))
        _wrote(path)
        return
    from cbedgan.comparison.study import CompareConfig
    from cbedgan.comparison.study import compare as stage

    _wrote(stage(load_config(config, CompareConfig), stacks=stacks, split=split, synthetic=synthetic, out=out,
                 workers=workers, probe=probe, generator=generator, classifier=classifier, reserve=reserve))


@app.command()
def predict(classifier: Annotated[list[Path], typer.Option(help="classifier.safetensors; several are an ensemble.")],
            file: Annotated[Path | None, typer.Argument(help="Stack file, labelled or not.")] = None,
            stacks: Annotated[Path | None, typer.Option(help="The same, as an option.")] = None,
            out: Annotated[Path | None, typer.Option(help="Predictions (.npz); .json and .csv come beside.")] = None,
            top: Annotated[int, typer.Option(min=1, help="Groups named for a stack.")] = 6,
            accuracy: Annotated[float, typer.Option(
                min=0, max=1, help="Refuse what is less sure than what was right so often in validation.")] = 0.9,
            ) -> None:
    """Say of your own stacks which space groups they may have, how surely, and what to refuse."""
    from classifier.answer_table import answer_table, write_answers
    from classifier.answers import answer_stacks
    from classifier.predict import load_classifier

    if (file is None) == (stacks is None):
        raise InputError(source="cbedgan predict", rule="needs one stack file, as FILE or with --stacks",
                         value="none" if file is None else "two", remedy="Name the file to judge.")
    found = answer_stacks([load_classifier(path) for path in classifier], file or stacks, top=top, accuracy=accuracy)
    Console().print(answer_table(*found))
    if out is not None:
        for path in write_answers(out, *found):
            _wrote(path)


@app.command()
def judge(predictions: Annotated[list[Path], typer.Argument(help="predictions.npz: one, or the seeds of one method.")],
          out: Annotated[Path, typer.Option(help="Folder for judgement.html and judgement.json.")],
          part: Annotated[str, typer.Option(help="Of the split; '' for labelled stacks of your own.")] = "test",
          groups: Annotated[str | None, typer.Option(
              metavar="2,14,..", help="Space groups that can occur: no other is answered or judged.")] = None) -> None:
    """Say how good labelled predictions are, level by level and group by group, and how far to trust them."""
    from classifier.judgement import judge as stage
    from classifier.levels import parse_space_groups

    _wrote(stage(predictions, part=part, space_groups=parse_space_groups(groups), out=out))


@app.command()
def acquire(config: Config, stacks: Stacks, split: Split, out: Folder, workers: Workers = CORES) -> None:
    """Play active learning on labelled stacks: what each way to choose the next materials is worth."""
    from cbedgan.acquisition.study import AcquireConfig
    from cbedgan.acquisition.study import acquire as stage
    from classifier.config import load_config

    _wrote(stage(load_config(config, AcquireConfig), stacks=stacks, split=split, out=out, workers=workers))


@app.command("label-next")
def label_next(classifier: Annotated[list[Path], typer.Option(help="classifier.safetensors; repeat it for bald.")],
               pool: Annotated[Path, typer.Option(help="Stack file of what could be labelled.")],
               strategy: Annotated[Strategy, typer.Option(help="How to choose.")], out: File,
               count: Annotated[int, typer.Option(min=1, help="Materials to rank.")] = 20,
               seed: Annotated[int, typer.Option(help="Of random.")] = 0,
               stacks: Annotated[Path | None, typer.Option(help="Stacks of the training, for core_set.")] = None,
               split: Annotated[Path | None, typer.Option(help="Their split.json; its materials are left out.")] = None,
               probe: Annotated[Path | None, typer.Option(help="probe.h5, for boundary.")] = None,
               generator: Annotated[Path | None, typer.Option(help="The generator that was probed.")] = None) -> None:
    """Rank a pool's materials by what their labels or simulations would teach the classifier."""
    from cbedgan.acquisition.label_next import Hints
    from cbedgan.acquisition.label_next import label_next as stage

    ranking = stage(strategy, classifiers=classifier, pool=pool, count=count, seed=seed, out=out,
                    hints=Hints(stacks=stacks, split=split, probe=probe, generator=generator))
    for number, (material, score) in enumerate(zip(ranking.material, ranking.score, strict=True), 1):
        print(f"{number:4d}  {score:10.4f}  {material}")
    _wrote(out)


@app.command()
def demo(out: Folder = Path("runs/demo"), workers: Workers = CORES,
         pretrained: Annotated[bool, typer.Option(help="Take the shipped networks instead of training them.")] = False,
         ) -> None:
    """Run the whole loop on the bundled data and end with a report."""
    from cbedgan.demo import demo as loop

    loop(out, pretrained=pretrained, workers=workers)


@app.command()
def pretrain(out: Folder) -> None:
    """Train the networks that `demo --pretrained` takes."""
    from cbedgan.demo import pretrain as train

    _wrote(train(out))


benchmarks = typer.Typer(no_args_is_help=True,
                         help="Measure speed, as ratios taken in one run on one machine; and what is refused.")
app.add_typer(benchmarks, name="bench")


@benchmarks.command("simulate")
def bench_simulate(abtem: Annotated[bool, typer.Option("--abtem", help='Beside abTEM (extra "abtem").')] = False,
                   ) -> None:
    """Time simulated stacks on one thread, and patterns beside abTEM's at equal sampling."""
    from cbedgan.bench.simulate import bench_abtem, bench_stacks

    Console().print(bench_stacks())
    if abtem:
        Console().print(*bench_abtem())


@benchmarks.command("data")
def bench_data(folder: Annotated[Path, typer.Option(help="Where the made-up sets may lie for a while.")],
               size: Annotated[list[int], typer.Option(min=1, help="Pixels; may be repeated.")] = SIZES,
               workers: Annotated[list[int], typer.Option(min=1, help="Threads that read; may be repeated.")] = READERS,
               batch: Annotated[int, typer.Option(min=1, help="Stacks a batch.")] = 64,
               megabytes: Annotated[int, typer.Option(min=1, help="Of each set, which lies there twice.")] = 256,
               repeats: Annotated[int, typer.Option(min=1, help="Turns of each way to read.")] = 7,
               json: Annotated[Path | None, typer.Option(help="Write the same as JSON.")] = None) -> None:
    """Time shuffled reads from a training cache beside a plain memory map and the stack file."""
    from cbedgan.bench.data import bench_data as measure
    from cbedgan.bench.data import report, to_json
    from classifier.atomic import write_json

    found = measure(folder, sizes=size, workers=workers, batch=batch, megabytes=megabytes, repeats=repeats)
    Console().print(report(found))
    if json is not None:
        write_json(json, to_json(found))
        _wrote(json)


@benchmarks.command("train-clf")
def bench_train_clf(config: Config, folder: Annotated[Path, typer.Option(help="Where made-up stacks may lie a while.")],
                    classes: Annotated[int, typer.Option(min=1, max=230)] = 45,
                    stacks: Annotated[int, typer.Option(min=1, help="In the made-up set.")] = 1024,
                    steps: Annotated[int, typer.Option(min=1, help="Of each loop in a turn.")] = 4,
                    repeats: Annotated[int, typer.Option(min=1, help="Turns.")] = 7,
                    json: Annotated[Path | None, typer.Option(help="Write the same as JSON.")] = None) -> None:
    """Time the training of a train-clf configuration beside a plain residual network's of equal work."""
    from cbedgan.bench.train_classifier import bench_train_classifier, report, to_json
    from classifier.atomic import write_json
    from classifier.config import load_config
    from classifier.train_config import TrainClassifierConfig

    found = bench_train_classifier(load_config(config, TrainClassifierConfig), folder, classes=classes, stacks=stacks,
                                   steps=steps, repeats=repeats)
    Console().print(report(found))
    if json is not None:
        write_json(json, to_json(found))
        _wrote(json)


@benchmarks.command("trust")
def bench_trust(classifier: Annotated[list[Path], typer.Option(help="classifier.safetensors; may be repeated.")],
                stacks: Stacks, split: Split,
                accuracy: Annotated[float, typer.Option(min=0, max=1, help="Asked of what is answered.")] = 0.9,
                most: Annotated[int, typer.Option(min=1, help="Stacks of the test part.")] = 400,
                seed: Annotated[int, typer.Option(help="Of the choice and of the noise.")] = 0,
                json: Annotated[Path | None, typer.Option(help="Write the same as JSON.")] = None) -> None:
    """Spoil test stacks in known ways, and say how many predict then refuses."""
    from cbedgan.bench.trust import bench_trust as measure
    from cbedgan.bench.trust import report
    from classifier.atomic import write_json
    from classifier.predict import load_classifier

    found = measure([load_classifier(path) for path in classifier], stacks, split, accuracy=accuracy, most=most,
                    seed=seed)
    Console().print(report(found, accuracy))
    if json is not None:
        write_json(json, {"rows": found})
        _wrote(json)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; bad input is one red line on stderr and exit code 2."""
    try:
        app(arguments)
    except InputError as error:
        Console(stderr=True, soft_wrap=True).print(Text(f"error: {error}", style="red"))
        sys.exit(EXIT_INPUT)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
