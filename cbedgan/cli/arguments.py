"""Arguments that several verbs have in common."""

import os
from pathlib import Path
from typing import Annotated

import typer

CORES = os.cpu_count() or 1
Config = Annotated[Path, typer.Option(help="TOML file of this stage; configs/demo/ holds one for each.")]
Stacks = Annotated[Path, typer.Option(help="Stack file (.h5).")]
Split = Annotated[Path, typer.Option(help="split.json of these stacks.")]
Generator = Annotated[Path, typer.Option(help="generator.safetensors of this split.")]
Classifier = Annotated[Path, typer.Option(help="classifier.safetensors of this split.")]
Folder = Annotated[Path, typer.Option(help="Run folder; the same command resumes in it.")]
File = Annotated[Path, typer.Option(help="File to write.")]
Cache = Annotated[Path | None, typer.Option(help="Folder for stacks that do not fit in memory: mapped, not loaded.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes at a time.")]
Json = Annotated[Path | None, typer.Option(help="Write the same as JSON.")]
