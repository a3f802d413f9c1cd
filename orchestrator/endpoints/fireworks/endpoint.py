"""Fine-tuning jobs and models on Fireworks."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from orchestrator.endpoints.fireworks.control import PAGE, is_missing
from orchestrator.endpoints.fireworks.datasets import Datasets
from orchestrator.endpoints.fireworks.names import (
    JOB_KINDS,
    OWNER,
    SUPERVISED,
    JobKind,
    kind_and_id,
    kind_of,
    last,
    model_id,
    recorded_job,
)
from orchestrator.endpoints.fireworks.objects import (
    fireworks_names,
    has_name,
    read_fireworks_job,
    read_list,
    read_metrics,
    read_name,
)
from orchestrator.endpoints.interface import (
    JobPage,
    JobRequest,
    RemoteEvent,
    RemoteJob,
    RemoteModel,
    chosen_id,
)
from orchestrator.endpoints.keys import body_of
from orchestrator.endpoints.objects import Json
from orchestrator.errors import EndpointUnreachable, NoJobList, OutcomeUnknown, RequestRefused

_ADDONS = ("HF_PEFT_ADDON", "HF_TEFT_ADDON")
"""Kinds of models that are no base, but were tuned from one: training goes on from them."""
_TAKEN = "ALREADY_EXISTS"
_NOT_THERE_YET = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


class FireworksEndpoint(Datasets):
    """An open connection; see `interface.Endpoint` for the methods' guarantees.

    Chat requests go to the same host's OpenAI-compatible path. A model without a slash is the id of a deployment.
    """

    async def check(self) -> str:
        account = await self.account_id()
        try:
            page = await self.jobs()
        except NoJobList as error:
            await self._check_files(error)
            return f"it answers for the account {account}, but doesn't list its jobs ({error.facts['problem']})"
        listed = "can be read" if page.jobs else "is empty"
        return f"it answers for the account {account}, and its list of fine-tuning jobs {listed}"

    # --- jobs ------------------------------------------------------------------------------------------------

    async def create(self, request: JobRequest) -> RemoteJob:
        kind = kind_of(request.method["type"])
        path, body = await self.place(kind.collection), await self._job_fields_of(request, kind)
        query = {kind.id_key: chosen_id(request.token)}
        timeout = self._config.timeout_seconds
        try:
            return await self._once(self._post, path, read=_reader(kind), query=query, body=body, timeout=timeout)
        except OutcomeUnknown as error:
            if error.facts.get("status") != HTTPStatus.CONFLICT:
                raise
            if found := await self._already_made(request):
                return found
            raise

    async def _already_made(self, request: JobRequest) -> RemoteJob | None:
        """The job that a conflict is with; None if there is none, or the host doesn't answer. Raises OutcomeUnknown
        if it doesn't show the job."""
        try:
            return await self.job_of(request)
        except EndpointUnreachable:
            return None
        except RequestRefused as error:
            if error.facts["code"] == _TAKEN:
                raise
            problem = f"it has a job {chosen_id(request.token)}, but doesn't show it: {error.facts['problem']}"
            facts = {**error.facts, "problem": problem, "status": HTTPStatus.CONFLICT, "code": _TAKEN}
            raise OutcomeUnknown(**facts) from error

    async def job_of(self, request: JobRequest) -> RemoteJob | None:
        kind = kind_of(request.method["type"])
        chosen = chosen_id(request.token)
        try:
            found = await self.job(recorded_job(kind, chosen))
        except RequestRefused as error:
            if not is_missing(error):
                raise
            return None
        if other := _differences(found, request):
            problem = f"the account has a job {chosen} that this run did not make: {other}"
            raise self.refusal(problem, HTTPStatus.CONFLICT, _TAKEN)
        return found

    async def _job_fields_of(self, request: JobRequest, kind: JobKind) -> dict[str, Any]:
        """The body of a create request."""
        suffix = request.suffix or chosen_id(request.token)
        config = {
            **await self._origin(request.model),
            **fireworks_names(request.method["hyperparameters"]),
            "outputModel": await self.full_name("models", model_id(request.model, suffix)),
        }
        named = {
            "dataset": await self.full_name("datasets", request.training_file),
            "displayName": suffix,
            **body_of(self._config),
        }
        if kind is not SUPERVISED:
            return {**named, "trainingConfig": config, "lossConfig": _loss(request.method["hyperparameters"])}
        # Otherwise Fireworks takes its evaluation data from the training data.
        evaluated: dict[str, Any] = {"evalAutoCarveout": False}
        if request.validation_file:
            evaluated["evaluationDataset"] = await self.full_name("datasets", request.validation_file)
        return {**named, **config, **evaluated}

    async def _origin(self, model: str) -> dict[str, str]:
        """What the training begins from: a base model, or the adapter of an earlier training."""
        if not model.startswith(f"accounts/{OWNER}/"):
            found = await self.read("get model", f"/v1/{model}", dict)
            if found.get("kind") in _ADDONS:
                return {"warmStartFrom": model}
        return {"baseModel": model}

    async def job(self, job_id: str) -> RemoteJob:
        kind, name = kind_and_id(job_id)
        return await self.read("get job", await self.place(kind.collection, name), _reader(kind))

    async def jobs(self, after: str | None = None, metadata: Mapping[str, str] | None = None) -> JobPage:
        """The supervised jobs, then those of DPO. A cursor is a kind, the first job of the last page and the token
        of the next one: a host that ignores the token would show the same page for ever."""
        collection, shown, token = [*(after or SUPERVISED.collection).split(" ", 2), "", ""][:3]
        [number] = [n for n, each in enumerate(JOB_KINDS) if each.collection == collection]
        kind = JOB_KINDS[number]
        query = {"pageSize": PAGE, **({"pageToken": token} if token else {})}
        path = await self.place(kind.collection)
        items, following = await self._list_of_jobs(
            self._get, path, read=lambda raw: read_list(raw, kind.collection), query=query
        )
        jobs = tuple(read_fireworks_job(raw, kind) for raw in items if has_name(raw))
        first = jobs[0].id if jobs else ""
        if following and following != token and (not first or first != shown):
            return JobPage(jobs, f"{kind.collection} {first} {following}", is_last=False)
        if kind is not JOB_KINDS[-1]:
            return JobPage(jobs, JOB_KINDS[number + 1].collection, is_last=False)
        return JobPage(jobs, None, is_last=True)

    async def cancel(self, job_id: str) -> RemoteJob:
        kind, name = kind_and_id(job_id)
        path = await self.place(kind.collection, name, ":cancel")
        try:
            await self.write("cancel job", path, dict, {})
        except EndpointUnreachable as error:
            if error.facts.get("status") == HTTPStatus.CONFLICT:
                raise RequestRefused(**error.facts) from error
            raise
        return await self.job(job_id)

    async def events(self, job_id: str, known: frozenset[str] | set[str] = frozenset()) -> list[RemoteEvent]:
        """Fireworks has no events: these are the steps in the job's file of metrics."""
        kind, name = kind_and_id(job_id)
        path = await self.place(kind.collection, name)
        raw = await self.read("get job", path, dict)
        address = raw.get("metricsFileSignedUrl")
        if kind is not SUPERVISED:
            address = await self._address_of_metrics(path)
        content = await self.fetch(str(address)) if address else None
        found = read_metrics(content or b"", raw.get("createTime"))
        return [event for event in found if event.id not in known]

    async def _address_of_metrics(self, path: str) -> str | None:
        try:
            return await self.read("get metrics", f"{path}:getMetricsFileEndpoint", _signed_url)
        except (EndpointUnreachable, RequestRefused) as error:
            if error.facts.get("status") not in _NOT_THERE_YET:
                raise
            return None

    # --- models ----------------------------------------------------------------------------------------------

    async def has_model(self, name: str) -> bool | None:
        try:
            await self.read("look for a model", f"/v1/{name}", read_name)
        except RequestRefused as error:
            return False if is_missing(error) else None
        return True

    async def listed_models(self) -> list[RemoteModel]:
        listed = await self.every("list models", "models")
        return [RemoteModel(read_name(raw), None, None, None, raw) for raw in listed]

    async def delete_model(self, name: str) -> None:
        await self.remove("delete model", f"/v1/{name}")

    async def chat(self, request: Mapping[str, Any], once: str) -> Mapping[str, Any]:
        model = str(request["model"])
        called = model if "/" in model else await self.full_name("deployments", model)
        return await super().chat({**request, "model": called}, once)

    def _chat_path(self, _request: Mapping[str, Any]) -> str:
        return "/inference/v1/chat/completions"


def _reader(kind: JobKind) -> Any:
    return lambda raw: read_fireworks_job(raw, kind)


def _signed_url(raw: Json) -> str | None:
    return raw.get("signedUrl") or None


def _loss(hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    beta = hyperparameters.get("beta")
    return {"method": "DPO", **({} if beta in (None, "auto") else {"dpo": {"beta": beta}})}


def _differences(found: RemoteJob, request: JobRequest) -> str | None:
    """How somebody else's job differs from what was requested, in words; None if it may be ours. The id alone is
    hardly anybody else's, and hosts rename datasets and cut names: one of the two has to fit."""
    pairs = (
        ("its dataset", found.training_file, last(request.training_file)),
        ("its name", found.suffix, request.suffix),
    )
    said = [(what, has, asked) for what, has, asked in pairs if has and asked]
    if not said or any(has == asked for _, has, asked in said):
        return None
    return " and ".join(f"{what} is {has}, not {asked}" for what, has, asked in said)
