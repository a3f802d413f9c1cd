"""Fine-tuning jobs, from creation to the model."""

from __future__ import annotations

import base64
import csv
import io
import json

import openai
import pytest

BASE = "gpt-4.1-mini-2025-04-14"


async def test_a_job_ends_with_a_model_that_learned(training, submit, reach, tools):
    job = await submit(training, count=40, epochs=3, suffix="drone")
    assert job.status == "validating_files"
    done = await reach(training, job.id, "succeeded")
    assert done.fine_tuned_model.startswith(f"ft:{BASE}:local:drone:")
    assert done.finished_at >= done.created_at
    answer = await training.chat.completions.create(
        model=done.fine_tuned_model,
        messages=[{"role": "user", "content": "Climb to 91 metres"}],
        tools=tools,
    )
    call = answer.choices[0].message.tool_calls[0].function
    assert (call.name, call.arguments) == ("take_off", '{"altitude":91}')


async def test_the_tokens_billed_are_those_of_the_file_times_the_epochs(training, submit, reach):
    once = await reach(training, (await submit(training, epochs=1)).id, "succeeded")
    thrice = await reach(training, (await submit(training, epochs=3)).id, "succeeded")
    assert once.trained_tokens > 20 * 30
    assert thrice.trained_tokens == 3 * once.trained_tokens


async def test_auto_becomes_a_number_when_training_starts(training, submit, reach):
    job = await submit(training, method={"type": "supervised"})
    assert job.hyperparameters.n_epochs == job.method.supervised.hyperparameters.n_epochs == "auto"
    done = await reach(training, job.id, "succeeded")
    for numbers in (done.hyperparameters, done.method.supervised.hyperparameters):
        assert isinstance(numbers.n_epochs, int)
        assert isinstance(numbers.batch_size, int)
        assert isinstance(numbers.learning_rate_multiplier, float)


async def test_top_level_hyperparameters_are_read_and_the_method_shows_them_too(training, submit, reach):
    numbers = {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 0.5}
    job = await submit(training, method=None, hyperparameters=numbers)
    done = await reach(training, job.id, "succeeded")
    assert done.hyperparameters.model_dump() == numbers
    assert done.method.supervised.hyperparameters.model_dump() == numbers


async def test_the_same_seed_gives_the_same_results(training, submit, reach):
    jobs = [await submit(training, seed=seed) for seed in (1, 1, 2)]
    done = [await reach(training, job.id, "succeeded") for job in jobs]
    results = [(await training.files.content(job.result_files[0])).text for job in done]
    assert results[0] == results[1] != results[2]


async def test_the_result_file_has_every_step_base64_encoded(training, submit, reach, lines):
    validation = await training.files.create(file=("v.jsonl", lines(12)), purpose="fine-tune")
    job = await submit(training, count=30, epochs=10, validation_file=validation.id)
    done = await reach(training, job.id, "succeeded")
    file = await training.files.retrieve(done.result_files[0])
    assert file.purpose == "fine-tune-results"
    text = base64.b64decode((await training.files.content(file.id)).content, validate=True).decode()
    found = list(csv.DictReader(io.StringIO(text)))
    assert list(found[0]) == [
        "step",
        "train_loss",
        "train_accuracy",
        "valid_loss",
        "valid_mean_token_accuracy",
    ]
    assert [row["step"] for row in found] == [str(step) for step in range(1, 301)]
    assert float(found[-1]["train_loss"]) < float(found[0]["train_loss"])
    assert all(0 <= float(row["valid_mean_token_accuracy"]) <= 1 for row in found)


async def test_events_tell_the_story_newest_first(training, submit, reach, messages):
    job = await submit(training, epochs=2)
    done = await reach(training, job.id, "succeeded")
    assert await messages(training, job.id) == [
        f"Created fine-tuning job: {job.id}",
        f"local: tiny trains in place of {BASE}; its metrics say nothing about the real model",
        f"Validating training file: {job.training_file}",
        "Files validated, moving job to queued state",
        "Fine-tuning job started",
        "Checkpoint created at step 20",
        "Checkpoint created at step 40",
        f"New fine-tuned model created: {done.fine_tuned_model}",
        "The job has successfully completed",
    ]
    first = await training.fine_tuning.jobs.list_events(job.id, limit=1)
    assert first.data[0].message == "The job has successfully completed"
    assert first.has_more


async def test_metrics_events_carry_the_numbers(training, submit, reach, lines):
    validation = await training.files.create(file=("v.jsonl", lines(12)), purpose="fine-tune")
    job = await submit(training, count=10, epochs=2, validation_file=validation.id)
    await reach(training, job.id, "succeeded")
    page = await training.fine_tuning.jobs.list_events(job.id, limit=100)
    last = next(event for event in page.data if event.type == "metrics")
    assert last.message.startswith("Step 20/20: training loss=")
    assert last.data["step"] == last.data["total_steps"] == 20
    assert {
        "train_loss",
        "train_mean_token_accuracy",
        "valid_loss",
        "valid_mean_token_accuracy",
        "full_valid_loss",
        "full_valid_mean_token_accuracy",
    } <= set(last.data)


async def test_many_steps_make_a_bounded_number_of_metrics_events(training, submit, reach):
    job = await submit(training, count=30, epochs=30)
    await reach(training, job.id, "succeeded")
    page = await training.fine_tuning.jobs.list_events(job.id, limit=1000)
    steps = [event.data["step"] for event in page.data if event.type == "metrics"]
    assert 150 <= len(steps) <= 250
    assert {steps[0], steps[-1]} == {900, 1}


async def test_events_are_paged_without_loss_or_repetition(training, submit, reach):
    job = await submit(training)
    await reach(training, job.id, "succeeded")
    whole = await training.fine_tuning.jobs.list_events(job.id, limit=1000)
    paged = [event.id async for event in training.fine_tuning.jobs.list_events(job.id, limit=7)]
    assert paged == [event.id for event in whole.data]
    assert len(set(paged)) == len(paged) > 40


async def test_the_checkpoints_of_the_last_three_epochs_stay_and_answer(training, submit, reach, tools):
    job = await submit(training, epochs=5)
    done = await reach(training, job.id, "succeeded")
    page = await training.fine_tuning.jobs.checkpoints.list(job.id)
    assert [checkpoint.step_number for checkpoint in page.data] == [100, 80, 60]
    assert page.data[0].fine_tuned_model_checkpoint == f"{done.fine_tuned_model}:ckpt-step-100"
    for checkpoint in page.data:
        answer = await training.chat.completions.create(
            model=checkpoint.fine_tuned_model_checkpoint,
            messages=[{"role": "user", "content": "Climb to 8 metres"}],
            tools=tools,
        )
        assert answer.choices[0].message.tool_calls[0].function.name == "take_off"
    dropped = f"{done.fine_tuned_model}:ckpt-step-40"
    with pytest.raises(openai.NotFoundError):
        await training.models.retrieve(dropped)


async def test_a_fine_tuned_model_can_be_trained_further_and_keeps_its_base(training, submit, reach):
    parent = await reach(training, (await submit(training, suffix="one")).id, "succeeded")
    job = await submit(training, model=parent.fine_tuned_model, suffix="two")
    done = await reach(training, job.id, "succeeded")
    assert done.model == parent.fine_tuned_model
    assert done.fine_tuned_model.startswith(f"ft:{BASE}:local:two:")
    first = (await training.fine_tuning.jobs.list_events(job.id, limit=1000)).data
    losses = [event.data["train_loss"] for event in first if event.type == "metrics"]
    fresh = (await training.fine_tuning.jobs.list_events(parent.id, limit=1000)).data
    assert losses[-1] < [event.data["train_loss"] for event in fresh if event.type == "metrics"][-1]


async def test_a_preference_job_trains_and_shows_its_beta(training, rows, reach):
    pairs = []
    for row, other in zip(rows(20), rows(21)[1:], strict=True):
        pairs.append(
            {
                "input": {"messages": row["messages"][:1], "tools": row["tools"]},
                "preferred_output": row["messages"][1:],
                "non_preferred_output": other["messages"][1:],
            }
        )
    text = "".join(json.dumps(pair) + "\n" for pair in pairs).encode()
    file = await training.files.create(file=("pairs.jsonl", text), purpose="fine-tune")
    method = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.3, "n_epochs": 2}}}
    job = await training.fine_tuning.jobs.create(model=BASE, training_file=file.id, method=method)
    done = await reach(training, job.id, "succeeded")
    assert done.method.type == "dpo"
    assert done.method.dpo.hyperparameters.beta == 0.3


async def test_jobs_are_listed_newest_first_and_filtered_by_metadata(client, submit):
    made = [await submit(client, metadata={"run": str(number), "all": "yes"}) for number in range(3)]
    bare = await submit(client)
    page = await client.fine_tuning.jobs.list(limit=2)
    assert [job.id for job in page.data] == [bare.id, made[2].id]
    assert page.has_more
    assert [job.id async for job in page] == [job.id for job in [bare, *reversed(made)]]
    found = await client.fine_tuning.jobs.list(metadata={"run": "1", "all": "yes"})
    assert [job.id for job in found.data] == [made[1].id]
    assert (await client.fine_tuning.jobs.list(metadata={"run": "1", "all": "no"})).data == []


async def test_jobs_without_metadata_are_found_by_null(http, client, submit):
    await submit(client, metadata={"a": "b"})
    bare = await submit(client)
    page = (await http.get("/fine_tuning/jobs?metadata=null")).json()
    assert [job["id"] for job in page["data"]] == [bare.id]


async def test_a_metadata_key_with_quotes_and_brackets_is_found_again(client, submit):
    job = await submit(client, metadata={'it\'s "[x]"': "$.v"})
    found = await client.fine_tuning.jobs.list(metadata={'it\'s "[x]"': "$.v"})
    assert [one.id for one in found.data] == [job.id]
