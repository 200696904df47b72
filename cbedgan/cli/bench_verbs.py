"""Verbs that measure: cbedgan bench ..."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cbedgan.cli.app import benchmarks, read, wrote_json
from cbedgan.cli.arguments import Classifiers, Config, Json, Split, Stacks
from classifier.pattern.condition import Condition

Place = Annotated[Path, typer.Option(help="Where made-up stacks may lie a while.")]
Classes = Annotated[int, typer.Option(min=1, max=230)]
Turns = Annotated[int, typer.Option(min=1, help="Turns.")]
Steps = Annotated[int, typer.Option(min=1, help="Of each loop in a turn.")]
SIZES, READERS = [64, 128, 256, 512], [1, 2]  # pixels, and threads


@benchmarks.command("simulate")
def bench_simulate(abtem: Annotated[bool, typer.Option("--abtem", help='Beside abTEM (extra "abtem").')] = False,
                   ) -> None:
    """Time simulated stacks on one thread, and patterns beside abTEM's at equal sampling."""
    from cbedgan.bench.simulate import bench_abtem, bench_directions, bench_stacks

    Console().print(bench_stacks(), bench_directions())
    if abtem:
        Console().print(*bench_abtem())


@benchmarks.command("data")
def bench_data(folder: Annotated[Path, typer.Option(help="Where the made-up sets may lie for a while.")],
               size: Annotated[list[int], typer.Option(min=1, help="Pixels; may be repeated.")] = SIZES,
               workers: Annotated[list[int], typer.Option(min=1, help="Threads that read; may be repeated.")] = READERS,
               batch: Annotated[int, typer.Option(min=1, help="Stacks a batch.")] = 64,
               megabytes: Annotated[int, typer.Option(min=1, help="Of each set, which lies there twice.")] = 256,
               repeats: Annotated[int, typer.Option(min=1, help="Turns of each way to read.")] = 7,
               json: Json = None) -> None:
    """Time shuffled reads from a training cache beside a plain memory map and the stack file."""
    from cbedgan.bench import data as stage

    speeds = stage.bench_data(folder, sizes=size, workers=workers, batch=batch, megabytes=megabytes, repeats=repeats)
    Console().print(stage.report(speeds))
    wrote_json(json, stage.to_json(speeds))


@benchmarks.command("train-clf")
def bench_train_clf(config: Config, folder: Place, classes: Classes = 45,
                    stacks: Annotated[int, typer.Option(min=1, help="In the made-up set.")] = 1024, steps: Steps = 4,
                    repeats: Turns = 7, json: Json = None) -> None:
    """Time the training of a train-clf configuration beside a plain residual network's of equal work."""
    from cbedgan.bench import train_classifier as stage
    from classifier.training.train_config import TrainClassifierConfig

    speeds = stage.bench_train_classifier(read(config, TrainClassifierConfig), folder, classes=classes, stacks=stacks,
                                          steps=steps, repeats=repeats)
    Console().print(stage.report(speeds))
    wrote_json(json, stage.to_json(speeds))


@benchmarks.command("trust")
def bench_trust(classifier: Classifiers, stacks: Stacks, split: Split,
                accuracy: Annotated[float, typer.Option(min=0, max=1, help="Asked of what is answered.")] = 0.9,
                most: Annotated[int, typer.Option(min=1, help="Stacks of the test part.")] = 400,
                seed: Annotated[int, typer.Option(help="Of the choice and of the noise.")] = 0,
                json: Json = None) -> None:
    """Spoil test stacks in known ways, and say how many predict then refuses."""
    from cbedgan.bench import trust as stage
    from classifier.prediction.predict import load_classifier

    rows = stage.bench_trust([load_classifier(path) for path in classifier], stacks, split, accuracy=accuracy,
                             most=most, seed=seed)
    Console().print(stage.report(rows, accuracy))
    wrote_json(json, {"rows": rows})


@benchmarks.command("explain")
def bench_explain(stacks: Stacks,
                  split: Annotated[Path | None, typer.Option(help="split.json; without it every stack counts.")] = None,
                  part: Annotated[str, typer.Option(help="Of the split.")] = "validation",
                  condition: Annotated[Condition | None, typer.Option(
                      help="Of the measurement; without it ideal and counted.")] = None,
                  most: Annotated[int, typer.Option(min=1, help="Stacks, drawn at random.")] = 1000,
                  seed: Annotated[int, typer.Option(help="Of the choice and of the measurement.")] = 0,
                  json: Json = None) -> None:
    """Compare what is claimed of patterns' symmetry with the elements of their space group."""
    from cbedgan.bench import explain as stage

    conditions: tuple[Condition, ...] = ("ideal", "counted") if condition is None else (condition,)
    figures = [stage.bench_explain(stacks, split, part=part, condition=name, most=most, seed=seed)
               for name in conditions]
    Console().print(stage.report(figures))
    wrote_json(json, {"conditions": figures})


@benchmarks.command("pose")
def bench_pose(stacks: Stacks,
               split: Annotated[Path | None, typer.Option(help="split.json; without it every stack counts.")] = None,
               part: Annotated[str, typer.Option(help="Of the split.")] = "validation",
               condition: Annotated[Condition | None, typer.Option(
                   help="Of the measurement; without it filtered, ordinary and poor.")] = None,
               most: Annotated[int, typer.Option(min=1, help="Crystals, drawn at random.")] = 100,
               seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
               radius_known: Annotated[bool, typer.Option("--radius-known", help="Tell the disks' radius.")] = False,
               json: Json = None) -> None:
    """Find the pose of raw frames of a set's crystals, simulated anew, from the image alone."""
    from cbedgan.bench.pose import found as stage

    conditions: tuple[Condition, ...] = ("filtered", "ordinary", "poor") if condition is None else (condition,)
    figures = stage.bench_pose(stacks, split, part=part, conditions=conditions, most=most, seed=seed,
                               radius_known=radius_known)
    Console().print(stage.report(figures))
    wrote_json(json, {"conditions": figures})


@benchmarks.command("render")
def bench_render(stacks: Stacks,
                 most: Annotated[int, typer.Option(min=1, help="Stacks, drawn at random.")] = 100,
                 seed: Annotated[int, typer.Option(help="Of the choice.")] = 0, json: Json = None) -> None:
    """Render crystals of a simulated set again, and compare with the exact engine: patterns, symmetry and time."""
    from cbedgan.bench.render import agreement as stage

    figures = stage.bench_render(stacks, most=most, seed=seed)
    Console().print(*stage.report(figures))
    wrote_json(json, figures)


@benchmarks.command("powder")
def bench_powder(crystals: Annotated[Path | None, typer.Option(
                     help="Structure file or folder; without it the AFLOW prototypes.")] = None,
                 most_atoms: Annotated[int, typer.Option(min=1, help="Of a primitive cell.")] = 200,
                 json: Json = None) -> None:
    """Time powder patterns and pair distribution functions of crystals, on one thread."""
    from cbedgan.bench import powder as stage

    figures = stage.bench_powder(crystals, most_atoms=most_atoms)
    Console().print(stage.report(figures))
    wrote_json(json, figures)
