"""Every request that we send, and every answer of the simulated host, by the types of Fireworks' own SDK.

The SDK is not among our packages: FTORCH_FIREWORKS_PYTHON names a Python that has `fireworks-ai`.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.contents import content_of
from support.fireworks_host import ACCOUNT, BASE
from support.fireworks_wire import Fireworks, preference

from orchestrator.dataset.files import inspect_file, sent_name
from orchestrator.endpoints.fireworks import datasets
from orchestrator.endpoints.fireworks.deployments import FireworksDeployments
from orchestrator.endpoints.interface import JobRequest
from orchestrator.endpoints.management import WantedDeployment
from orchestrator.errors import EndpointError

PYTHON = os.environ.get("FTORCH_FIREWORKS_PYTHON")
JUDGE = Path(__file__).parents[2] / "support" / "fireworks_types.py"
pytestmark = pytest.mark.skipif(PYTHON is None, reason="FTORCH_FIREWORKS_PYTHON names no Python with fireworks-ai")


async def test_every_request_and_answer_fits_the_types_of_the_sdk(
    fireworks: Fireworks,
    data: Path,
    asked: JobRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await _files(fireworks, data, monkeypatch)
    await _jobs(fireworks, data, asked)
    await _models(fireworks)
    await _deployments(fireworks)
    exchanges = [each for each in fireworks.wire.exchanges if not each["path"].startswith("/storage/")]
    *verdicts, version = _judged(exchanges)
    wrong = [problem for verdict in verdicts for problem in json.loads(verdict)]
    counted = Counter("refused" if each["status"] >= 400 else "answered" for each in exchanges)
    with capsys.disabled():
        kinds = len({(each["method"], _kind(each["path"])) for each in exchanges})
        print(f"\nfireworks-ai {version}: {dict(counted)}, {kinds} kinds of requests, {len(wrong)} problems")
    assert not wrong, "\n".join(wrong)


def test_the_judge_sees_what_is_wrong() -> None:
    """A judge that finds nothing wrong in anything proves nothing."""
    create = {"method": "POST", "path": f"/v1/accounts/{ACCOUNT}/supervisedFineTuningJobs", "status": 200}
    job = {"name": "accounts/a/supervisedFineTuningJobs/b", "dataset": "c"}
    good = {
        **create,
        "query": {"supervisedFineTuningJobId": "b"},
        "body": {"dataset": "c", "epochs": 1},
        "answer": job,
    }
    bad = [
        {**good, "body": {"epochs": 1}},
        {**good, "body": {"dataset": "c", "epochs": "1"}},
        {**good, "body": {"dataset": "c", "n_epochs": 1}},
        {**good, "query": {"jobId": "b"}},
        {**good, "answer": {**job, "state": "JOB_STATE_DONE"}},
        {**good, "answer": {**job, "fine_tuned_model": "m"}},
        {**good, "path": "/v1/fine_tuning/jobs"},
    ]
    *verdicts, _ = _judged([good, *bad])
    assert [len(json.loads(verdict)) for verdict in verdicts] == [0, *[1] * len(bad)]


async def _files(fireworks: Fireworks, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint, name = fireworks.endpoint, sent_name(inspect_file(data))
    await endpoint.upload(content_of(data), name)
    await endpoint.upload(content_of(data), name)
    await endpoint.find_files(name)
    await endpoint.files()
    with monkeypatch.context() as patch:
        patch.setattr(datasets, "LARGEST_AT_ONCE", 10)
        large = data.with_name("large.jsonl")
        large.write_bytes(data.read_bytes() * 2)
        await endpoint.upload(content_of(large), sent_name(inspect_file(large)))
    await endpoint.delete_file(sent_name(inspect_file(large)).removesuffix(".jsonl"))


async def _jobs(fireworks: Fireworks, data: Path, asked: JobRequest) -> None:
    endpoint = fireworks.endpoint
    file_id = sent_name(inspect_file(data)).removesuffix(".jsonl")
    plain = replace(asked, training_file=file_id, validation_file=file_id)
    for number, request in enumerate((plain, preference(plain))):
        made = replace(request, token=f"T{number}", suffix=f"drone-0000000{number}")
        await endpoint.create(made)
        job = await endpoint.create(made)
        fireworks.train(3)
        await endpoint.jobs()
        await endpoint.jobs("dpoJobs")
        await endpoint.job(job.id)
        await endpoint.events(job.id)
        stopped = await endpoint.create(replace(request, token=f"C{number}", suffix=f"drone-1000000{number}"))
        await endpoint.cancel(stopped.id)
        with suppress(EndpointError):
            await endpoint.job("ftorch-missing")
    onward = replace(
        plain, model=f"accounts/{ACCOUNT}/models/qwen3-8b-ft-drone-00000000", token="W", suffix="d-22222222"
    )
    await endpoint.create(onward)


async def _models(fireworks: Fireworks) -> None:
    endpoint = fireworks.endpoint
    models = await endpoint.models()
    await endpoint.has_model(BASE)
    await endpoint.delete_model(models[0])
    fireworks.state.deployments["mine"] = {
        "baseModel": BASE,
        "state": "READY",
        "name": "accounts/a/deployments/mine",
    }
    tool = {"type": "function", "function": {"name": "climb", "parameters": {"type": "object", "properties": {}}}}
    messages = [{"role": "system", "content": "Fly"}, {"role": "user", "content": "Up"}]
    await endpoint.chat({"model": "mine", "messages": messages, "tools": [tool], "temperature": 0}, "once")


async def _deployments(fireworks: Fireworks) -> None:
    account = FireworksDeployments(fireworks.endpoint)
    for number, sku in enumerate(("1xH200_141GB", "2xH100_80GB")):
        name = f"mine-{number}"
        await account.put(WantedDeployment(name, BASE, sku, 1, temporary=bool(number)))
        await account.put(WantedDeployment(name, BASE, sku, 1))
        await account.get(name)
        await account.all()
        await account.delete(name)
        await account.get(name)
        await account.get(name)
    await account.answers(BASE)


def _judged(exchanges: list[dict[str, Any]]) -> list[str]:
    """A verdict for each exchange, and the version of the SDK."""
    lines = "".join(json.dumps(each) + "\n" for each in exchanges)
    done = subprocess.run(
        [str(PYTHON), str(JUDGE)], input=lines, capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout.splitlines()


def _kind(path: str) -> str:
    parts = path.split("/")
    return "/".join([*parts[:3], "A", *parts[4:5], *(part.partition(":")[2] for part in parts[5:])])
