"""`serve`: the local endpoint over HTTP, and a check of what it feeds its models."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from orchestrator.cli.groups import OrderedGroup
from orchestrator.cli.output import INTERRUPTED
from orchestrator.cli.servecheck import check

if TYPE_CHECKING:
    from orchestrator.config import EndpointConfig
    from orchestrator.server.settings import Settings


@click.group(cls=OrderedGroup, invoke_without_command=True, subcommand_metavar="[check MODEL]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    default=8000,
    show_default=True,
    help="Listen on this port; 0 takes any free one.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Listen on this address; on any other than the default, clients need a key.",
)
@click.option(
    "--allow-host",
    "hosts",
    metavar="NAME",
    multiple=True,
    help="Also answer to this host name, such as a proxy's (repeatable).",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep files and jobs in this folder.  [default: as the endpoint local]",
)
@click.option(
    "--at-once",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Train this many jobs at the same time.  [default: 2, with --azure 1]",
)
@click.option(
    "--api-key-env",
    metavar="VARIABLE",
    help="Read the clients' key from this variable.  [default: none on 127.0.0.1, elsewhere a new one]",
)
@click.option(
    "--models",
    "folders",
    metavar="FOLDER",
    multiple=True,
    help="Also train and serve the open-weights models in this folder: it is one, or holds some (repeatable).",
)
@click.option(
    "--serving",
    type=click.Choice(["transformers", "vllm"]),
    help="Answer with open-weights models through this library.  [default: as the endpoint local]",
)
@click.option(
    "--vllm-url",
    metavar="URL",
    help="With --serving vllm: use the vLLM server at this address.  [default: start one]",
)
@click.option(
    "--python",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="PROGRAM",
    help="Train and serve open-weights models with this Python.  [default: as the endpoint local]",
)
@click.option("--log-json", is_flag=True, help="Log requests and warnings, one JSON object per line.")
@click.option(
    "--launcher",
    type=click.Choice(["process", "ray"]),
    help="Train open-weights models here, or on the Ray cluster of ftorch.toml.  [default: as the endpoint local]",
)
@click.option("--ray-address", metavar="URL", help="With --launcher ray: use the cluster at this address.")
@click.option(
    "--shutdown-date",
    "endings",
    metavar="MODEL=DATE",
    multiple=True,
    help="End a model, or all that is tuned from a base model, on this day, such as 2027-01-14 (repeatable).",
)
@click.option("--azure", is_flag=True, help="Serve an Azure OpenAI resource as well.")
@click.option("--entra", is_flag=True, help="With --azure: refuse requests without a token or the key.")
@click.option(
    "--region", metavar="NAME", help="With --azure: set the region of the resource.  [default: swedencentral]"
)
@click.pass_context
def serve(
    ctx: click.Context,
    port: int,
    host: str,
    hosts: tuple[str, ...],
    store: Path | None,
    at_once: int | None,
    api_key_env: str | None,
    folders: tuple[str, ...],
    serving: Literal["transformers", "vllm"] | None,
    vllm_url: str | None,
    python: Path | None,
    log_json: bool,
    launcher: Literal["process", "ray"] | None,
    ray_address: str | None,
    endings: tuple[str, ...],
    azure: bool,
    entra: bool,
    region: str | None,
) -> None:
    """Serve the local endpoint to any OpenAI client.

    Clients see the same files, jobs and models as the endpoint `local` of this project. Ctrl-C stops the server.

    The models of [models] in ftorch.toml are trained and served as well. With --azure it also offers the Azure
    OpenAI APIs, with deployments and sign-in, so that you can rehearse work for Azure. Requests from web pages, and
    requests that name another host, are refused.
    """
    if ctx.invoked_subcommand is not None:
        _refuse_options(ctx)
        return
    from orchestrator.config import find_workspace
    from orchestrator.endpoints.local import STORE
    from orchestrator.server.serve import serve as run_server
    from orchestrator.server.settings import AzureSettings
    from orchestrator.trust import use_state

    if not azure and (entra or region is not None):
        raise click.UsageError("--entra and --region need --azure")
    if api_key_env is not None and not os.environ.get(api_key_env):
        raise click.UsageError(f"the environment variable {api_key_env} is not set")
    place = region or AzureSettings.location
    shutdown_dates = dict(map(_ending, endings))
    here = host in ("127.0.0.1", "::1", "localhost")
    workspace = find_workspace()
    home = workspace.home if store is None else None
    if home is not None:
        use_state(home)
    config = _placed(_changed(workspace.endpoint("local"), serving, vllm_url, python), launcher, ray_address)
    settings = replace(
        _settings(config, folders, home),
        max_training=at_once or (1 if azure else 2),
        api_key=os.environ[api_key_env] if api_key_env else None,
        hosts=hosts,
        shutdown_dates=shutdown_dates,
        azure=AzureSettings(location=place, signed_in_only=entra, imports_from_here=here) if azure else None,
    )
    if log_json:
        from orchestrator.logs import log_to_stderr

        log_to_stderr(as_json=True)
    run_server(store or workspace.home / STORE, host, port, settings, logs_requests=log_json)
    ctx.exit(INTERRUPTED)  # only Ctrl-C ends it


serve.add_command(check)


def _refuse_options(ctx: click.Context) -> None:
    """The options are the server's; `check` has its own, after its name."""
    given = [name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if given:
        option = next(each.opts[0] for each in ctx.command.params if each.name == given[0])
        raise click.UsageError(f"{option} is an option of `{ctx.command_path}` without {ctx.invoked_subcommand}")


def _ending(text: str) -> tuple[str, date]:
    """A model and the day on which it ends. Raises click.BadParameter."""
    model, equals, day = text.rpartition("=")
    try:
        ends = date.fromisoformat(day)
    except ValueError:
        ends = None
    if not (model and equals and ends):
        message = f'"{text}" is not a model and a day, such as gpt-4.1-mini=2027-01-14'
        raise click.BadParameter(message, param_hint="'--shutdown-date'")
    return model, ends


def _changed(
    config: EndpointConfig,
    serving: Literal["transformers", "vllm"] | None,
    vllm_url: str | None,
    python: Path | None,
) -> EndpointConfig:
    """The endpoint's table with what the options say about open-weights models."""
    from orchestrator.endpointtables import RULES

    if vllm_url is not None and not RULES["vllm_url"].fits(vllm_url):
        raise click.BadParameter(RULES["vllm_url"].sentence, param_hint="'--vllm-url'")
    if vllm_url is not None and (serving or config.serving) != "vllm":
        raise click.UsageError("--vllm-url needs --serving vllm")
    changed = replace(
        config,
        serving=serving or config.serving,
        vllm_url=None if serving == "transformers" else vllm_url or config.vllm_url,
        python=python.absolute() if python else config.python,
    )
    changed.require_set_up()
    return changed


def _placed(
    config: EndpointConfig, launcher: Literal["process", "ray"] | None, address: str | None
) -> EndpointConfig:
    """The endpoint's table with what the options say about where its models are trained."""
    from orchestrator.endpointtables import RULES

    if address is not None and not RULES["vllm_url"].fits(address):
        raise click.BadParameter(RULES["vllm_url"].sentence, param_hint="'--ray-address'")
    if address is not None and (launcher or config.launcher) != "ray":
        raise click.UsageError("--ray-address needs --launcher ray")
    placed = replace(config, launcher=launcher or config.launcher)
    if address is not None and config.ray:
        placed = replace(placed, ray={**config.ray, "address": address})
    placed.require_usable()
    return placed


def _settings(config: EndpointConfig, folders: Sequence[str], home: Path | None) -> Settings:
    from orchestrator.endpoints.local import server_settings
    from orchestrator.endpoints.openweights import more_models

    for name, model in config.models.items():
        if problem := model.problem:
            click.echo(f"Note: the model {name} of [models] is left out: {problem}", err=True)
    settings = server_settings(config, home)
    return replace(settings, models={**settings.models, **more_models(folders, config, home)})
