"""Verbs that measure: cbedgan bench ..."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cbedgan.cli.app import benchmarks, wrote
from cbedgan.cli.arguments import Config, Split, Stacks

SIZES, READERS = [64, 128, 256, 512], [1, 2]  # pixels, and threads or processes


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
    from classifier.foundation.atomic import write_json

    speeds = measure(folder, sizes=size, workers=workers, batch=batch, megabytes=megabytes, repeats=repeats)
    Console().print(report(speeds))
    if json is not None:
        write_json(json, to_json(speeds))
        wrote(json)


@benchmarks.command("train-clf")
def bench_train_clf(config: Config, folder: Annotated[Path, typer.Option(help="Where made-up stacks may lie a while.")],
                    classes: Annotated[int, typer.Option(min=1, max=230)] = 45,
                    stacks: Annotated[int, typer.Option(min=1, help="In the made-up set.")] = 1024,
                    steps: Annotated[int, typer.Option(min=1, help="Of each loop in a turn.")] = 4,
                    repeats: Annotated[int, typer.Option(min=1, help="Turns.")] = 7,
                    json: Annotated[Path | None, typer.Option(help="Write the same as JSON.")] = None) -> None:
    """Time the training of a train-clf configuration beside a plain residual network's of equal work."""
    from cbedgan.bench.train_classifier import bench_train_classifier, report, to_json
    from classifier.foundation.atomic import write_json
    from classifier.foundation.config import load_config
    from classifier.training.train_config import TrainClassifierConfig

    speeds = bench_train_classifier(load_config(config, TrainClassifierConfig), folder, classes=classes, stacks=stacks,
                                   steps=steps, repeats=repeats)
    Console().print(report(speeds))
    if json is not None:
        write_json(json, to_json(speeds))
        wrote(json)


@benchmarks.command("train-gan")
def bench_train_gan(config: Config, folder: Annotated[Path, typer.Option(help="Where made-up stacks may lie a while.")],
                    size: Annotated[list[int], typer.Option(min=4, help="Pixels; may be repeated.")] = SIZES,
                    processes: Annotated[list[int], typer.Option(min=1, help="That share a batch of the first size; "
                                                                 "may be repeated.")] = READERS,
                    classes: Annotated[int, typer.Option(min=1, max=230)] = 45,
                    steps: Annotated[int, typer.Option(min=1, help="Of each loop in a turn.")] = 2,
                    repeats: Annotated[int, typer.Option(min=1, help="Turns.")] = 5,
                    profile: Annotated[bool, typer.Option("--profile", help="Name the dearest operations.")] = False,
                    json: Annotated[Path | None, typer.Option(help="Write the same as JSON.")] = None) -> None:
    """Time the training step of a train-gan configuration beside a plain loop of equal networks, by size."""
    from cbedgan.bench.train_gan import bench_train_gan as measure
    from cbedgan.bench.train_gan import report, to_json
    from cbedgan.gan.train_config import TrainGanConfig
    from classifier.foundation.atomic import write_json
    from classifier.foundation.config import load_config

    speeds = measure(load_config(config, TrainGanConfig), folder, sizes=size, processes=processes, classes=classes,
                    steps=steps, repeats=repeats, profile=profile)
    Console().print(report(speeds))
    if json is not None:
        write_json(json, to_json(speeds))
        wrote(json)


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
    from classifier.foundation.atomic import write_json
    from classifier.prediction.predict import load_classifier

    rows = measure([load_classifier(path) for path in classifier], stacks, split, accuracy=accuracy, most=most,
                    seed=seed)
    Console().print(report(rows, accuracy))
    if json is not None:
        write_json(json, {"rows": rows})
        wrote(json)
