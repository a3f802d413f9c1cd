"""Questions and look-ups before anything is sent: files from elsewhere, names that may be misspelt."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from orchestrator.api.host import Host
from orchestrator.config import EndpointConfig, Workspace, find_workspace
from orchestrator.dataset.basemodels import is_fine_tuned, meant_instead
from orchestrator.endpoints import open_endpoint
from orchestrator.engine.worker import run_blocking
from orchestrator.errors import EndpointError, FilesOutside, NoBaseModel, NotConfirmed
from orchestrator.jobfile import JobFile
from orchestrator.jobfile.outside import files_outside


def require_own_files(jobs: Sequence[JobFile], host: Host, *, only_evaluation: bool = False) -> None:
    """Ask if a job file names files outside; `jobs` are its job files, one for each choice of data. Raises
    FilesOutside if there is no terminal to ask at."""
    source = jobs[0].source
    root = find_workspace(source.parent).root
    found = [file for job in jobs for file in files_outside(job, root, only_evaluation=only_evaluation)]
    if found:
        named = ", ".join(dict.fromkeys(map(str, found)))
        refusal = FilesOutside(path=source, files=named)
        host.confirm_again(f"{source} names files outside its project: {named}. Use them?", refusal)


def require_known_models(models: Sequence[str], config: EndpointConfig, workspace: Workspace, host: Host) -> None:
    """Ask about base models whose names are almost those of known ones, as noted in the plan, and look up
    fine-tuned models to be trained further. Raises NoBaseModel for one that the endpoint doesn't have."""
    for model in dict.fromkeys(models):
        if is_fine_tuned(model):
            if run_blocking(partial(_has_model, config, workspace, model)) is False:
                raise NoBaseModel(endpoint=config.name, model=model)
        elif meant_instead(model):
            refusal = NotConfirmed(f'There is no terminal to ask at. Correct "{model}", or add --yes to train it.')
            host.confirm(f'Train "{model}" anyway?', refusal)


async def _has_model(config: EndpointConfig, workspace: Workspace, model: str) -> bool | None:
    """None if the endpoint doesn't say, or can't be asked now: then the create request will tell."""
    try:
        async with open_endpoint(config, workspace.home) as endpoint:
            return await endpoint.has_model(model)
    except EndpointError:
        return None
