"""The command line itself: its options, its groups of verbs, how it says what it wrote."""

import os
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cbedgan import __version__
from classifier.foundation.errors import InputError

if TYPE_CHECKING:
    from classifier.foundation.config import AnyConfig

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False,
                  context_settings={"help_option_names": ["-h", "--help"]},
                  help="CBED stacks: simulate, classify, generate, find the decision boundary, fill it, and compare.")
benchmarks = typer.Typer(no_args_is_help=True,
                         help="Measure speed, as ratios taken in one run on one machine; and what is refused.")
configurations = typer.Typer(no_args_is_help=True, help="Show every key of a configuration, or copy a shipped one.")
app.add_typer(configurations, name="config")
app.add_typer(benchmarks, name="bench")
# What --set gives for the file of --config; other files that a verb reads stay as they are.
changes: ContextVar[tuple[Path, tuple[str, ...]]] = ContextVar("changes", default=(Path(), ()))


def read(path: Path, model: "type[AnyConfig]") -> "AnyConfig":
    """The configuration in a TOML file, with what --set changes; the file of another verb is named as such."""
    from classifier.foundation.config import load_config, read_toml  # heavy, and of no use where only help is asked for

    changed, settings = changes.get()
    try:
        return load_config(path, model, settings if path == changed else ())
    except InputError:
        from cbedgan.cli.configurations import refuse_file_of_another_verb

        refuse_file_of_another_verb(path, read_toml(path), model)
        raise


def wrote(path: Path) -> None:
    """Say which file a stage has left."""
    if os.environ.get("RANK", "0") != "0":
        return  # of the processes that torchrun starts, one speaks
    Console(soft_wrap=True).print("Wrote", Text(str(path), style="green"))


def wrote_json(path: Path | None, content: Any) -> None:
    """Write what a verb has printed as JSON too, where a file is named."""
    if path is not None:
        from classifier.foundation.atomic import write_json

        write_json(path, content)
        wrote(path)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"cbedgan {__version__}")
        raise typer.Exit


@app.callback()
def options(version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True,
                                                  help="Show the version and leave.")] = False) -> None:
    """Options that stand before the verb."""
