"""Arguments that several verbs have in common."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from classifier.foundation.errors import InputError

CORES = os.cpu_count() or 1
Given = TypeVar("Given", Path, list[Path], None)


def sample_file(out: Path) -> Path:
    """The path of a sample file to write; another ending than .h5 or .hdf5 is an InputError."""
    if out.suffix.lower() not in SAMPLE_SUFFIXES:
        raise InputError(source="--out", rule="must be a sample file, which ends in .h5", value=out,
                         remedy=f"Give for instance --out {out.with_suffix('.h5')}.")
    return out


def classifier_named(given: Given) -> Given:
    """The checkpoints of classifiers given by path or as builtin:NAME."""
    return _named_networks(given, "classifier")


def generator_named(given: Given) -> Given:
    """The checkpoint of a generator given by path or as builtin:NAME."""
    return _named_networks(given, "generator")


def _named_networks(given: Any, kind: Literal["classifier", "generator"]) -> Any:
    from cbedgan.shipped import network_path

    if isinstance(given, list | tuple):
        return [network_path(one, kind) for one in given]
    return None if given is None else network_path(given, kind)


Config = Annotated[Path, typer.Option(help="TOML file of this stage; configs/demo/ holds one for each.")]
SAMPLE_SUFFIXES = (".h5", ".hdf5")
NAMES_OF_SAMPLES = ("--samples", "--stacks")  # one option; the second is its older name
Stacks = Annotated[Path, typer.Option(*NAMES_OF_SAMPLES, help="Sample file (.h5).")]
Split = Annotated[Path, typer.Option(help="split.json of these samples.")]
Generator = Annotated[Path, typer.Option(callback=generator_named, help="generator.safetensors of this split, or "
                                         "builtin:NAME.")]
Classifier = Annotated[Path, typer.Option(callback=classifier_named, help="classifier.safetensors of this split, or "
                                          "builtin:NAME.")]
Classifiers = Annotated[list[Path], typer.Option("--classifier", callback=classifier_named, help="The same; several "
                                                 "may be given.")]
Folder = Annotated[Path, typer.Option(help="Run folder; the same command resumes in it.")]
File = Annotated[Path, typer.Option(help="File to write.")]
SampleFile = Annotated[Path, typer.Option("--out", callback=sample_file, help="Sample file to write (.h5).")]
Cache = Annotated[Path | None, typer.Option(help="Folder for stacks that do not fit in memory: mapped, not loaded.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes at a time.")]
Files = Annotated[list[Path] | None, typer.Option(*NAMES_OF_SAMPLES, help="The same, as an option.")]
Json = Annotated[Path | None, typer.Option(help="Write the same as JSON.")]


def named(argument: Sequence[Path] | None, option: Sequence[Path] | None, *, verb: str, one: bool = True) -> list[Path]:
    """Sample files, named as the argument or by --samples; none at all is an InputError, and two where it is `one`."""
    files = [*(argument or ()), *(option or ())]
    if not files or one and len(files) > 1:
        raise InputError(source=f"cbedgan {verb}", rule=f"needs {'one sample file' if one else 'sample files'}, "
                         "as the argument or with --samples", value=len(files), remedy="Name what to read.")
    return files
