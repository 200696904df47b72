"""Verbs that train the generator, find the boundary, fill it, compare; and the whole loop on the bundled data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from cbedgan.cli.app import app, read, wrote
from cbedgan.cli.arguments import (
    CORES,
    Cache,
    Classifier,
    Classifiers,
    Config,
    File,
    Folder,
    Generator,
    SampleFile,
    Split,
    Stacks,
    Workers,
    classifier_named,
    generator_named,
)
from classifier.foundation.errors import InputError

Features = Annotated[Path | None, typer.Option(callback=classifier_named, help="Its features measure fidelity.")]
Device = Literal["auto", "cpu", "cuda"]


@app.command("train-gan")
def train_gan(config: Config, stacks: Stacks, split: Split, out: Folder, classifier: Features = None,
              cache: Cache = None) -> None:
    """Train the generator on the train part."""
    from cbedgan.gan import train as stage
    from cbedgan.gan.crystals import train_crystals

    if train_crystals.asks_for_crystals(config):
        wrote(train_crystals.train_crystals(read(config, train_crystals.TrainCrystalsConfig), stacks=stacks,
                                            split=split, out=out, classifier=classifier, cache=cache))
        return
    wrote(stage.train_gan(read(config, stage.TrainGanConfig), stacks=stacks, split=split, out=out,
                          classifier=classifier, cache=cache))


@app.command()
def sample(generator: Generator, out: SampleFile,
           seed: Annotated[int, typer.Option(min=0, help="Another seed makes other stacks.")],
           groups: Annotated[str | None, typer.Option(metavar="225:100,216:50", help="Stacks of each group.")] = None,
           every: Annotated[int | None, typer.Option("--all", min=1, help="As many of each group.")] = None,
           mantissa_bits: Annotated[int, typer.Option(min=1, max=23, help="As the real stacks' file has it.")] = 10,
           device: Annotated[Device, typer.Option(help="auto: a GPU where there is one.")] = "auto",
           workers: Annotated[int, typer.Option("--workers", "--threads", min=1,
                                               help="Processes; generators of pixels: threads on the CPU.")] = CORES,
           candidates: Annotated[int | None, typer.Option(
               min=1, max=256, help="Crystals: so many, of which the discriminator chooses one; 1: no choice.")] = None,
           as_drawn: Annotated[bool, typer.Option("--as-drawn", help="Crystals: not moved by the network.")] = False,
           cif: Annotated[Path | None, typer.Option(help="Crystals: folder to write them to.")] = None) -> None:
    """Make any number of stacks of named groups, without acceptance, into a stack file."""
    from cbedgan.gan.crystals import sample_crystals as crystals
    from cbedgan.synthesis import sample as stage

    counts = stage.read_counts(groups, every)
    if crystals.draws_crystals(generator):
        arm = crystals.ArmConfig(moved=not as_drawn, **({} if candidates is None else {"candidates": candidates}))
        wrote(crystals.sample_crystals(
            crystals.SampleCrystalsConfig(seed=seed, counts=counts, mantissa_bits=mantissa_bits, arm=arm),
            generator=generator, out=out, workers=workers, cif=cif))
        return
    if candidates is not None or as_drawn or cif is not None:
        raise InputError(source="cbedgan sample", rule="--candidates, --as-drawn, --cif are of generators of crystals",
                         value=generator, remedy="Leave them out.")
    config = stage.SampleConfig(seed=seed, counts=counts, mantissa_bits=mantissa_bits)
    wrote(stage.sample(config, generator=generator, out=out, device=device, threads=workers))


@app.command()
def assess(config: Config, generator: Generator, stacks: Stacks, split: Split, out: Folder,
           classifier: Features = None, unseen: Annotated[Path | None, typer.Option(
               "--judge", help="How train-clf trains two that have not seen the real stacks.")] = None) -> None:
    """Measure how good a generator is, each figure beside that of real stacks: fidelity.json and a page."""
    from cbedgan.assessment import assess as stage
    from classifier.training.train import TrainClassifierConfig

    wrote(stage.assess(read(config, stage.AssessConfig), generator=generator, stacks=stacks, split=split, out=out,
                       classifier=classifier, unseen=None if unseen is None else read(unseen, TrainClassifierConfig)))


@app.command()
def probe(config: Config, generator: Generator, classifier: Classifier, stacks: Stacks, split: Split,
          out: File) -> None:
    """Find the decision boundary between rare groups and those they are confused with."""
    from cbedgan.boundary import probe as stage

    wrote(stage.probe(read(config, stage.ProbeConfig), generator=generator, classifier=classifier, stacks=stacks,
                      split=split, out=out))


@app.command()
def distort(config: Config, classifier: Classifiers, stacks: Stacks, split: Split, out: Folder,
            workers: Workers = CORES) -> None:
    """Find how far atoms must move, in angstrom, before classifiers see that a symmetry is gone."""
    from cbedgan.distortion import distort as stage

    path = stage.distort(read(config, stage.DistortConfig), classifiers=classifier, stacks=stacks, split=split, out=out,
                         workers=workers)
    print((path.parent / "report.txt").read_text(encoding="utf-8"))
    wrote(path)


@app.command()
def synthesize(config: Config, generator: Generator, stacks: Stacks, split: Split, out: SampleFile,
               classifier: Annotated[list[Path] | None, typer.Option(
                   callback=classifier_named,
                   help="classifier.safetensors of this split, or builtin:NAME; crystals: may be repeated.")] = None,
               paths: Annotated[Path | None, typer.Option(help="Crystals: folder of distort.")] = None,
               workers: Workers = CORES,
               probe: Annotated[Path | None, typer.Option(help="Not crystals: probe.h5 of these networks.")] = None,
               second_classifier: Annotated[Path | None, typer.Option(
                   callback=classifier_named, help="Not crystals: of another seed, it accepts.")] = None) -> None:
    """Make interior, boundary and, of crystals, hard stacks, as many as the quota says, into a stack file."""
    from cbedgan.gan.crystals.sample_crystals import draws_crystals
    from cbedgan.synthesis import synthesize as stage
    from cbedgan.synthesis.crystals import synthesize_crystals as crystals

    asked = list(classifier or ())
    if draws_crystals(generator):
        _left_out({"--probe": probe, "--second-classifier": second_classifier},
                  "kinds of generator other than crystals")
        wrote(crystals.synthesize_crystals(
            read(config, crystals.SynthesizeCrystalsConfig), generator=generator, stacks=stacks, split=split, out=out,
            workers=workers, paths=paths, classifiers=asked))
        return
    _left_out({"--paths": paths}, "generators of crystals")
    if probe is None or second_classifier is None or len(asked) != 1:
        raise InputError(source="cbedgan synthesize", rule="needs --probe, one --classifier and --second-classifier",
                         value=f"{probe}, {[str(one) for one in asked]}, {second_classifier}",
                         remedy='Give them, or a generator of kind "crystals".')
    wrote(stage.synthesize(read(config, stage.SynthesizeConfig), probe=probe, generator=generator, stacks=stacks,
                           classifier=asked[0], second_classifier=second_classifier, split=split, out=out))


@app.command()
def rounds(config: Config, generator: Generator, stacks: Stacks, split: Split, out: Folder, workers: Workers = CORES
           ) -> None:
    """Crystals: find boundaries, add stacks there, train again, and again; with a curve of recall and t*."""
    from cbedgan.densify import rounds as stage

    path = stage.rounds(read(config, stage.RoundsConfig), generator=generator, stacks=stacks, split=split, out=out,
                        workers=workers)
    print((path.parent / "report.txt").read_text(encoding="utf-8"))
    wrote(path)


@app.command()
def gate(config: Config, synthetic: Annotated[Path, typer.Option(help="Stack file that synthesize wrote.")],
         stacks: Stacks, split: Split, out: Folder, workers: Workers = CORES) -> None:
    """Keep added stacks only of groups that they help, by cross-validation inside the train part."""
    from cbedgan.densify import gate as stage

    path = stage.gate(read(config, stage.GateConfig), synthetic=synthetic, stacks=stacks, split=split, out=out,
                      workers=workers)
    print(path.read_text(encoding="utf-8"))
    wrote(path)


def _left_out(options: dict[str, Path | None], kinds: str) -> None:
    """Refuse what goes with generators of other kinds."""
    for option, given in options.items():
        if given is not None:
            raise InputError(source=f"cbedgan synthesize {option}", rule=f"goes with {kinds}", value=given,
                             remedy="Leave it out.")


@app.command()
def choose(config: Config, pool: Annotated[Path, typer.Option(help="Stack file of drawn crystals, of simulate.")],
           classifier: Classifiers, stacks: Stacks, split: Split, out: SampleFile) -> None:
    """Choose from a pool of crystals by what classifiers say of them, such as the denied, into a stack file."""
    from cbedgan.choice import choose as stage

    wrote(stage.choose(read(config, stage.ChooseConfig), pool=pool, classifiers=classifier, stacks=stacks, split=split,
                       out=out))


def _called_rank(methods: Path | None) -> None:
    if methods is not None:
        raise InputError(source="cbedgan compare --methods", rule="is called cbedgan rank", value=methods,
                         remedy=f"Give the same command as cbedgan rank --methods {methods} ...")


@app.command()
def compare(config: Config, stacks: Stacks, split: Split, out: Folder,
            synthetic: Annotated[Path, typer.Option(help="Stack file that synthesize wrote.")],
            workers: Workers = CORES,
            probe: Annotated[Path | None, typer.Option(help="probe.h5, to picture a path with both networks.")] = None,
            generator: Annotated[Path | None, typer.Option(callback=generator_named,
                                                           help="The generator that was probed.")] = None,
            classifier: Annotated[Path | None, typer.Option(callback=classifier_named,
                                                            help="The classifier that was probed.")] = None,
            reserve: Annotated[Path | None, typer.Option(help="Real stacks for the arm that adds as many.")] = None,
            methods: Annotated[Path | None, typer.Option(hidden=True, is_eager=True, callback=_called_rank)] = None,
            ) -> None:
    """Train every arm with every seed and report whether the synthetic stacks helped."""
    from cbedgan.comparison import study as stage

    wrote(stage.compare(read(config, stage.CompareConfig), stacks=stacks, split=split, synthetic=synthetic, out=out,
                        workers=workers, probe=probe, generator=generator, classifier=classifier, reserve=reserve))


@app.command()
def study(config: Config, stacks: Stacks, split: Split, out: Folder, workers: Workers = CORES,
          source: Annotated[list[str] | None, typer.Option(
              metavar="NAME=FILE", help="Stack file of a source that arms name; may be repeated.")] = None,
          elsewhere: Annotated[list[Path] | None, typer.Option(
              help="Labelled stack file, judged beside the test part; may be repeated.")] = None,
          plan: Annotated[bool, typer.Option("--plan", help="Say what would be trained, and run nothing.")] = False,
          ) -> None:
    """Train arms with any added stacks and every seed: which help, against what, and where do they harm?"""
    from cbedgan.study import study as stage
    from cbedgan.study.study_config import StudyConfig

    asked, files = read(config, StudyConfig), _named_files(source or ())
    if plan:
        print(stage.plan_study(asked, stacks=stacks, split=split, sources=files, out=out))
        return
    path = stage.study(asked, stacks=stacks, split=split, sources=files, out=out, workers=workers,
                       elsewhere=elsewhere or ())
    print((path.parent / "study.txt").read_text(encoding="utf-8"))
    wrote(path)


def _named_files(given: Sequence[str]) -> dict[str, Path]:
    """Files by name, from NAME=FILE."""
    pairs = [text.partition("=") for text in given]
    if not all(name and path for name, _, path in pairs) or len({name for name, _, _ in pairs}) < len(pairs):
        raise InputError(source="cbedgan study --source", rule="must be NAME=FILE, each name once",
                         value=", ".join(given), remedy="Give for instance --source natural=random.h5.")
    return {name: Path(path) for name, _, path in pairs}


@app.command()
def rank(config: Config, methods: Annotated[Path, typer.Option(help="Folder of methods (.toml each).")],
         stacks: Stacks, split: Split, out: Folder, workers: Workers = CORES,
         runs: Annotated[list[Path] | None, typer.Option(
             help="Finished run folder of another method; may be repeated.")] = None) -> None:
    """Train every method with every seed, score all on the test part once, and rank them."""
    from cbedgan.ranking import rank as stage

    path = stage.rank(read(config, stage.RankConfig), methods=methods, stacks=stacks, split=split, out=out,
                      workers=workers, runs=runs or ())
    print((path.parent / "ranking.txt").read_text(encoding="utf-8"))
    wrote(path)


@app.command("compare-generators")
def compare_generators(config: Config, variants: Annotated[Path, typer.Option(help="Folder of variants (.toml each).")],
                       stacks: Stacks, split: Split, out: Folder, classifier: Features = None,
                       workers: Workers = CORES) -> None:
    """Train every variant of the generator with every seed, assess all alike, and compare them."""
    from cbedgan.ablation import study as stage

    path = stage.compare_generators(read(config, stage.CompareGeneratorsConfig), variants=variants, stacks=stacks,
                                    split=split, out=out, workers=workers, classifier=classifier)
    print((path.parent / "ablation.txt").read_text(encoding="utf-8"))
    wrote(path)


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

    wrote(train(out))
