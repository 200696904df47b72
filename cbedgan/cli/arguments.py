"""Arguments that several verbs have in common."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from classifier.foundation.errors import InputError

CORES = os.cpu_count() or 1
Config = Annotated[Path, typer.Option(help="TOML file of this stage; configs/demo/ holds one for each.")]
NAMES_OF_SAMPLES = ("--samples", "--stacks")  # one option; the second is its older name
Stacks = Annotated[Path, typer.Option(*NAMES_OF_SAMPLES, help="Sample file (.h5).")]
Split = Annotated[Path, typer.Option(help="split.json of these samples.")]
Generator = Annotated[Path, typer.Option(help="generator.safetensors of this split.")]
Classifier = Annotated[Path, typer.Option(help="classifier.safetensors of this split.")]
Folder = Annotated[Path, typer.Option(help="Run folder; the same command resumes in it.")]
File = Annotated[Path, typer.Option(help="File to write.")]
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
