"""What every verb has in common: an example in its help, --set beside --config, and a word after Ctrl-C."""

import inspect
import shlex
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

from rich.console import Console
from rich.text import Text
from typer import Option, Typer

from cbedgan.cli.app import changes
from cbedgan.cli.examples import EXAMPLES

# These keep nothing of what they have begun; of all others the same command takes up what is finished.
BEGIN_ANEW = {"crystals", "import", "import-curves", "inspect", "split", "folds", "predict", "judge", "label-next",
              "probe", "choose", "bench", "doctor", "config", "models"}
Settings = Annotated[list[str] | None, Option(
    "--set", metavar="KEY=VALUE", help="Change a key of --config, such as seed=1 or loss.tau=2.0; may be repeated.")]


def add_examples(verbs: Typer, before: str = "") -> None:
    """End the help of each verb with its example; before: the words of the group that they stand in."""
    for command in verbs.registered_commands:
        name = command.name or command.callback.__name__  # type: ignore[union-attr]
        command.epilog = f"Example: [bold]{EXAMPLES[before + name]}[/bold]"


def add_settings(verbs: Typer) -> None:
    """Give each verb that takes a configuration the option --set, which changes what `read` makes of its file."""
    for command in verbs.registered_commands:
        if command.callback is not None and "config" in inspect.signature(command.callback).parameters:
            command.callback = _with_settings(command.callback)


def _with_settings(verb: Callable[..., None]) -> Callable[..., None]:
    @wraps(verb)
    def changed(*, settings: list[str] | None, **arguments: Any) -> None:
        before = changes.set((arguments["config"], tuple(settings or ())))
        try:
            verb(**arguments)
        finally:
            changes.reset(before)

    parameters = list(inspect.signature(verb).parameters.values())
    added = inspect.Parameter("settings", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Settings)
    changed.__signature__ = inspect.Signature([*parameters, added])  # type: ignore[attr-defined]
    changed.__annotations__ = {**verb.__annotations__, "settings": Settings}
    return changed


def say_how_to_go_on(arguments: list[str]) -> None:
    """Print on stderr which command goes on after an interruption, and what it keeps; arguments: of the command."""
    anew = next((word for word in arguments if not word.startswith("-")), "") in BEGIN_ANEW
    kept = "Nothing is left half-written; to begin anew" if anew else "What is finished is kept; to go on"
    Console(stderr=True, soft_wrap=True, highlight=False).print(
        Text(f"\nStopped. {kept}: {shlex.join(['cbedgan', *arguments])}"))

