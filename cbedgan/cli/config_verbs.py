"""Verbs that show and copy configurations: cbedgan config ..."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cbedgan.cli.app import configurations, wrote
from cbedgan.cli.configurations import CONFIGURATIONS, configuration_of

Verb = Annotated[str, typer.Argument(help="A verb that takes a configuration, such as train-clf.")]


@configurations.command("show")
def show(verb: Annotated[str | None, typer.Argument(help="The verb; without it every verb and its file.")] = None
         ) -> None:
    """Show every key of a verb's configuration: default, what is allowed, unit."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    if verb is None:
        table.add_column("verb")
        table.add_column("a complete file, in configs/")
        for name, one in CONFIGURATIONS.items():
            table.add_row(name, one.file)
    else:
        from classifier.foundation.config_keys import keys_of

        for name in ("key", "default", "allowed", "unit"):
            table.add_column(name, overflow="fold")
        for key in keys_of(configuration_of(verb).load()):
            table.add_row(*(text.replace("[", r"\[") for text in key))
    Console().print(table)


@configurations.command("copy")
def copy(verb: Verb, out: Annotated[Path, typer.Argument(help="TOML file to write.")]) -> None:
    """Copy the shipped, commented configuration of a verb, to be changed."""
    from cbedgan.shipped import configs_root
    from classifier.foundation.atomic import atomic_path
    from classifier.foundation.errors import InputError

    source = configs_root() / configuration_of(verb).file
    if out.exists():
        raise InputError(source=out, rule="must not be there yet", value="a file",
                         remedy="Name another, or remove it.")
    with atomic_path(out) as temporary:
        temporary.write_bytes(source.read_bytes())
    wrote(out)
