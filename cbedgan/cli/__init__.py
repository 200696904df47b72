"""The verbs of the command line: each reads a configuration and calls one stage; no logic of its own."""

import sys

from rich.console import Console
from rich.text import Text

# The order of these is that of the help.
# ruff: isort: off
from cbedgan.cli import data_verbs, classifier_verbs, generator_verbs  # noqa: F401
from cbedgan.cli import machine_verbs, config_verbs, bench_verbs  # noqa: F401
# ruff: isort: on
from cbedgan.cli.app import app, benchmarks, configurations
from cbedgan.cli.conventions import add_examples, add_settings, say_how_to_go_on
from classifier.foundation.errors import InputError

add_examples(app)
add_examples(benchmarks, before="bench ")
add_examples(configurations, before="config ")
add_settings(app)
add_settings(benchmarks)

EXIT_INPUT, EXIT_INTERRUPTED = 2, 130


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; bad input is one red line on stderr and exit code 2, Ctrl-C says how to go on."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        app(words, prog_name="cbedgan")
    except InputError as error:
        Console(stderr=True, soft_wrap=True).print(Text(f"error: {error}", style="red"))
        sys.exit(EXIT_INPUT)
    except (KeyboardInterrupt, SystemExit) as left:
        if isinstance(left, SystemExit) and left.code != EXIT_INTERRUPTED:
            raise
        say_how_to_go_on(words)
        sys.exit(EXIT_INTERRUPTED)
