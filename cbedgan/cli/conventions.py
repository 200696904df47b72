"""What every verb has in common: an example at the end of its help, and a word on how to go on after Ctrl-C."""

import shlex

from rich.console import Console
from rich.text import Text
from typer import Typer

from cbedgan.cli.examples import EXAMPLES

# These keep nothing of what they have begun; of all others the same command takes up what is finished.
BEGIN_ANEW = {"crystals", "import", "inspect", "split", "folds", "predict", "judge", "label-next", "probe", "choose",
              "bench", "doctor"}


def add_examples(verbs: Typer, before: str = "") -> None:
    """End the help of each verb with its example; before: the words of the group that they stand in."""
    for command in verbs.registered_commands:
        name = command.name or command.callback.__name__  # type: ignore[union-attr]
        command.epilog = f"Example: [bold]{EXAMPLES[before + name]}[/bold]"


def say_how_to_go_on(arguments: list[str]) -> None:
    """Print on stderr which command goes on after an interruption, and what it keeps; arguments: of the command."""
    anew = next((word for word in arguments if not word.startswith("-")), "") in BEGIN_ANEW
    kept = "Nothing is left half-written; to begin anew" if anew else "What is finished is kept; to go on"
    Console(stderr=True, soft_wrap=True, highlight=False).print(
        Text(f"\nStopped. {kept}: {shlex.join(['cbedgan', *arguments])}"))

