"""Verbs that train classifiers, let them answer, judge them, and ask what to label next."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cbedgan.cli.app import app, read, wrote
from cbedgan.cli.arguments import (
    CORES,
    NAMES_OF_SAMPLES,
    SAMPLE_SUFFIXES,
    Cache,
    Classifier,
    Classifiers,
    Config,
    File,
    Files,
    Folder,
    Split,
    Stacks,
    Workers,
    classifier_named,
    generator_named,
    named,
)
from classifier.foundation.errors import InputError
from classifier.pattern.condition import Condition
from classifier.prediction.strategy import Strategy


@app.command("train-clf")
def train_clf(config: Config, stacks: Stacks, split: Split, out: Folder,
              synthetic: Annotated[Path | None, typer.Option(help="Stack file to train on as well.")] = None,
              crystals: Annotated[Path | None, typer.Option(
                  help="TOML file like configs/bench/endless.toml: new crystals, drawn and rendered while it trains.")
                  ] = None, cache: Cache = None,
              workers: Annotated[int, typer.Option(min=1, help="Processes that draw crystals.")] = CORES) -> None:
    """Train the classifier on the train part, and on a file or on crystals without end beside it."""
    from classifier.training.train import TrainClassifierConfig, train_classifier

    stream = None
    if crystals is not None:
        from cbedgan.simulate.endless import EndlessConfig, EndlessCrystals

        stream = EndlessCrystals.of(read(crystals, EndlessConfig), split=split, stacks=stacks, name=str(crystals))
    wrote(train_classifier(read(config, TrainClassifierConfig), stacks=stacks, split=split, out=out,
                           synthetic=synthetic, cache=cache, stream=stream, workers=workers))


@app.command("train-baseline")
def train_baseline(config: Config, stacks: Stacks, split: Split, out: Folder) -> None:
    """Fit a model that is no network on stated descriptors (configs/baselines/), scored like the networks."""
    from classifier.baseline import train_baseline as stage

    wrote(stage.train_baseline(read(config, stage.TrainBaselineConfig), stacks=stacks, split=split, out=out))


@app.command("adjust-clf")
def adjust_clf(config: Config, classifier: Classifier, stacks: Stacks, split: Split, out: Folder,
               synthetic: Annotated[Path | None, typer.Option(
                   help="Stack file whose features a head is trained on as well.")] = None) -> None:
    """Mend the head of a trained classifier: adjusted logits, normalised or re-trained weights."""
    from classifier.adjustment.post_hoc import PostHocConfig, post_hoc

    wrote(post_hoc(read(config, PostHocConfig), classifier=classifier, stacks=stacks, split=split, out=out,
                   synthetic=synthetic))


@app.command()
def predict(file: Annotated[Path | None, typer.Argument(help="Sample file, labelled or not.")] = None,
            classifier: Annotated[list[Path] | None, typer.Option(
                callback=classifier_named, help="classifier.safetensors, or builtin:NAME; several are an ensemble; "
                "without it the built-in one that fits.")] = None,
            stacks: Files = None,
            split: Annotated[Path | None, typer.Option(help="split.json of the file, whose parts are told.")] = None,
            out: Annotated[Path | None, typer.Option(help="Predictions (.npz); .json and .csv come beside.")] = None,
            top: Annotated[int, typer.Option(min=1, help="Groups named for a stack.")] = 6,
            accuracy: Annotated[float, typer.Option(
                min=0, max=1, help="Refuse what is less sure than what was right so often in validation.")] = 0.9,
            coverage: Annotated[float, typer.Option(
                min=0, max=1, help="How often the true group is to be among the plausible ones.")] = 0.95,
            condition: Annotated[Condition, typer.Option(
                help="Spoil ideal stacks first, as this condition says: pose, counts, microscope.")] = "ideal",
            explain: Annotated[bool, typer.Option("--explain", help="Say what symmetry each pattern shows, and which "
                                                  "groups agree.")] = False,
            pictures: Annotated[Path | None, typer.Option(help="Folder for a picture of each explained stack.")] = None,
            ) -> None:
    """Say of your own stacks which space groups they may have, how surely, and what to refuse."""
    from classifier.prediction.answer_table import answer_table, write_answers
    from classifier.prediction.answers import answer_stacks
    from classifier.prediction.predict import load_classifier

    [path] = named([file] if file else [], stacks, verb="predict")
    if path.is_file() and path.suffix.lower() not in SAMPLE_SUFFIXES:
        raise InputError(source=path, rule="must be a sample file (.h5)", value=path.suffix or "no ending",
                         remedy=f"Make one of your patterns: cbedgan import {path} --config configs/import/import.toml "
                         f"--like builtin:demo --out {path.with_suffix('.h5')}.")
    if not classifier:
        from cbedgan.shipped import BUILTIN, fitting_classifier, network_path

        name = fitting_classifier(path)
        classifier = [network_path(name, "classifier")]
        print(f"By {name}, which ships and fits this file: `cbedgan models {name.removeprefix(BUILTIN)}` says what it "
              "knows.")
    answers = answer_stacks([load_classifier(one) for one in classifier], path, top=top, accuracy=accuracy,
                            coverage=coverage, condition=condition, split=split)
    Console().print(answer_table(*answers))
    if explain or pictures is not None:
        from classifier.explanation.explain import explain_answers, explanation_text

        view = load_classifier(classifier[0]).view
        answers = (explain_answers(answers[0], path, view, condition, pictures=pictures), *answers[1:])
        Console().print(explanation_text(answers[0]))
    if out is not None:
        for written in write_answers(out, *answers):
            wrote(written)


@app.command()
def judge(predictions: Annotated[list[Path], typer.Argument(help="predictions.npz: one, or the seeds of one method.")],
          out: Annotated[Path, typer.Option(help="Folder for judgement.html and judgement.json.")],
          part: Annotated[str, typer.Option(help="Of the split; '' for labelled stacks of your own.")] = "test",
          groups: Annotated[str | None, typer.Option(
              metavar="2,14,..", help="Space groups that can occur: no other is answered or judged.")] = None,
          before: Annotated[list[Path] | None, typer.Option(
              help="predictions.npz of another method for the same samples; repeat it for its seeds.")] = None) -> None:
    """Say how good labelled predictions are, what their errors have in common, and how far to trust them."""
    from classifier.crystal.levels import parse_space_groups
    from classifier.foundation.atomic import read_json
    from classifier.judgement.judge import judge as stage
    from classifier.judgement.separation_table import separation_table

    page = stage(predictions, part=part, space_groups=parse_space_groups(groups), out=out, before=before or [])
    Console().print(separation_table(read_json(page.with_suffix(".json"))))
    wrote(page)


@app.command()
def acquire(config: Config, stacks: Stacks, split: Split, out: Folder, workers: Workers = CORES) -> None:
    """Play active learning on labelled stacks: what each way to choose the next materials is worth."""
    from cbedgan.acquisition import study as stage

    wrote(stage.acquire(read(config, stage.AcquireConfig), stacks=stacks, split=split, out=out, workers=workers))


@app.command("label-next")
def label_next(classifier: Classifiers,
               pool: Annotated[Path, typer.Option(help="Stack file of what could be labelled.")],
               strategy: Annotated[Strategy, typer.Option(help="How to choose.")], out: File,
               count: Annotated[int, typer.Option(min=1, help="Materials to rank.")] = 20,
               seed: Annotated[int, typer.Option(help="Of random.")] = 0,
               stacks: Annotated[Path | None, typer.Option(*NAMES_OF_SAMPLES, help="Of training: core_set.")] = None,
               split: Annotated[Path | None, typer.Option(help="Their split.json; its materials are left out.")] = None,
               probe: Annotated[Path | None, typer.Option(help="probe.h5, for boundary.")] = None,
               generator: Annotated[Path | None, typer.Option(callback=generator_named,
                                                              help="The generator that was probed.")] = None) -> None:
    """Rank a pool's materials by what their labels or simulations would teach the classifier."""
    from cbedgan.acquisition import label_next as stage

    ranking = stage.label_next(strategy, classifiers=classifier, pool=pool, count=count, seed=seed, out=out,
                               hints=stage.Hints(stacks=stacks, split=split, probe=probe, generator=generator))
    for number, (material, score) in enumerate(zip(ranking.material, ranking.score, strict=True), 1):
        print(f"{number:4d}  {score:10.4f}  {material}")
    wrote(out)
