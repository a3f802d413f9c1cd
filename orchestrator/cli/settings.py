"""`--set`: the option that replaces settings of a job file for one command."""

from __future__ import annotations

import click

set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Replace a setting of the job file, such as method.n_epochs=5 (repeatable).",
)
