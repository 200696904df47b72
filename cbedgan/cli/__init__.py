"""The verbs of the command line: each reads a configuration and calls one stage; no logic of its own."""

import sys

from rich.console import Console
from rich.text import Text

# The order of these is that of the help.
# ruff: isort: off
from cbedgan.cli import data_verbs, classifier_verbs, generator_verbs, bench_verbs  # noqa: F401
# ruff: isort: on
from cbedgan.cli.app import app
from classifier.foundation.errors import InputError

EXIT_INPUT, EXIT_INTERRUPTED = 2, 130


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; bad input is one red line on stderr and exit code 2."""
    try:
        app(arguments)
    except InputError as error:
        Console(stderr=True, soft_wrap=True).print(Text(f"error: {error}", style="red"))
        sys.exit(EXIT_INPUT)
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
