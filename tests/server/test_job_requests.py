"""What a request for a job may and may not say."""

from __future__ import annotations

import openai
import pytest

from orchestrator.server.app import running


def supervised(**numbers):
    return {"type": "supervised", "supervised": {"hyperparameters": numbers}}


REFUSED = [
    ({"method": supervised(n_epochs=0)}, "method.supervised.hyperparameters.n_epochs"),
    ({"method": supervised(n_epochs=51)}, "method.supervised.hyperparameters.n_epochs"),
    ({"method": supervised(n_epochs=1.5)}, "method.supervised.hyperparameters.n_epochs"),
    ({"method": supervised(n_epochs=True)}, "method.supervised.hyperparameters.n_epochs"),
    ({"method": supervised(batch_size=257)}, "method.supervised.hyperparameters.batch_size"),
    (
        {"method": supervised(learning_rate_multiplier=0)},
        "method.supervised.hyperparameters.learning_rate_multiplier",
    ),
    ({"method": supervised(n_epoch=3)}, "method.supervised.hyperparameters.n_epoch"),
    ({"method": supervised(beta=0.1)}, "method.supervised.hyperparameters.beta"),
    ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 2.1}}}}, "method.dpo.hyperparameters.beta"),
    ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0}}}}, "method.dpo.hyperparameters.beta"),
    ({"method": {"type": "magic"}}, "method.type"),
    ({"method": {}}, "method.type"),
    ({"method": {"type": "reinforcement", "reinforcement": {"grader": {}}}}, "method.type"),
    ({"method": None, "hyperparameters": {"n_epochs": 99}}, "hyperparameters.n_epochs"),
    ({"suffix": ""}, "suffix"),
    ({"suffix": "x" * 65}, "suffix"),
    ({"seed": -1}, "seed"),
    ({"seed": 2**31}, "seed"),
    ({"metadata": {str(number): "v" for number in range(17)}}, "metadata"),
    ({"metadata": {"k" * 65: "v"}}, "metadata"),
    ({"metadata": {"k": "v" * 513}}, "metadata.k"),
    ({"metadata": {"k": 1}}, "metadata.k"),
    ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, "integrations"),
    ({"training_file": "file-missing"}, "training_file"),
    ({"validation_file": "file-missing"}, "validation_file"),
    ({"model": "no spaces allowed"}, "model"),
    ({"extra_body": {"trainingType": "Standard"}}, "trainingType"),
]


@pytest.mark.parametrize(("change", "param"), REFUSED, ids=[f"{param}-{n}" for n, (_, param) in enumerate(REFUSED)])
async def test_a_wrong_request_is_refused_with_the_parameter(client, submit, change, param):
    with pytest.raises(openai.BadRequestError) as refused:
        await submit(client, **change)
    assert refused.value.param == param
    assert refused.value.code
    assert refused.value.type == "invalid_request_error"
    assert (await client.fine_tuning.jobs.list()).data == []


ACCEPTED = [
    {"method": supervised(n_epochs=1, batch_size=256, learning_rate_multiplier=0.001)},
    {"method": supervised(n_epochs=50, batch_size=1, learning_rate_multiplier="auto")},
    {"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 2}}}},
    {"suffix": "x" * 64, "seed": 2**31 - 1},
    {"metadata": {f"{number:02}" + "k" * 62: "v" * 512 for number in range(16)}},
    {"model": "Qwen/Qwen3-4B", "integrations": []},
]


@pytest.mark.parametrize("change", ACCEPTED)
async def test_the_edges_of_every_range_are_accepted(client, submit, change):
    job = await submit(client, **change)
    assert (await client.fine_tuning.jobs.retrieve(job.id)) == job


async def test_model_and_training_file_are_required(http):
    for body, param in (({"model": "m"}, "training_file"), ({"training_file": "f"}, "model")):
        answer = await http.post("/fine_tuning/jobs", json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == param


async def test_a_file_for_another_purpose_is_refused(client, lines, submit):
    file = await client.files.create(file=("t.jsonl", lines(12)), purpose="batch")
    with pytest.raises(openai.BadRequestError, match="batch") as refused:
        await submit(client, training_file=file.id)
    assert (refused.value.param, refused.value.code) == ("training_file", "invalid_file_purpose")


async def test_an_unknown_fine_tuned_model_is_not_found(client, submit):
    with pytest.raises(openai.NotFoundError) as refused:
        await submit(client, model="ft:gpt-4.1:local:x:abcdefgh")
    assert refused.value.code == "model_not_found"


async def test_too_few_examples_fail_the_job_and_name_the_line(training, submit, reach):
    job = await submit(training, count=9)
    failed = await reach(training, job.id, "failed")
    assert (failed.error.code, failed.error.param) == ("invalid_training_file", "training_file")
    assert "9 example" in failed.error.message
    assert "line 9" in failed.error.message
    assert failed.fine_tuned_model is None
    assert failed.finished_at is not None
    newest = (await training.fine_tuning.jobs.list_events(job.id)).data[0]
    assert newest.level == "error"


async def test_a_bad_line_fails_the_job_and_is_named(training, lines, submit, reach):
    text = lines(12).splitlines(keepends=True)
    text[4] = b'{"messages": [}\n'
    file = await training.files.create(file=("t.jsonl", b"".join(text)), purpose="fine-tune")
    job = await submit(training, training_file=file.id)
    failed = await reach(training, job.id, "failed")
    assert "Line 5" in failed.error.message


async def test_a_bad_validation_file_fails_the_job(training, submit, reach):
    file = await training.files.create(file=("v.jsonl", b"not json\n"), purpose="fine-tune")
    failed = await reach(training, (await submit(training, validation_file=file.id)).id, "failed")
    assert (failed.error.code, failed.error.param) == ("invalid_validation_file", "validation_file")


async def test_a_file_deleted_before_training_fails_the_job(app, client, submit, reach):
    job = await submit(client)
    await client.files.delete(job.training_file)
    async with running(app):
        failed = await reach(client, job.id, "failed")
    assert failed.error.code == "file_not_found"
