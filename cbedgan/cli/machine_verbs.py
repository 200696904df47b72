"""Verbs that say what is there: networks that ship, and what the machine offers."""

from typing import Annotated

import typer

from cbedgan.cli.app import app, wrote_json
from cbedgan.cli.arguments import Json


@app.command()
def doctor(json: Json = None) -> None:
    """Say what this machine offers: devices, bf16, memory, disk, extras (code 1: something will get in the way)."""
    from cbedgan import doctor as stage

    found = stage.machine()
    print(stage.report(found))
    wrote_json(json, found)
    if found["complaints"]:
        raise typer.Exit(1)


@app.command()
def models(name: Annotated[str | None, typer.Argument(help="Of one network, such as demo; without it all.")] = None,
           json: Json = None) -> None:
    """List the networks that ship: what they know, how well, from what, and how they were made."""
    from cbedgan import shipped

    found = shipped.models(name)
    print(shipped.models_report(found))
    wrote_json(json, found)
