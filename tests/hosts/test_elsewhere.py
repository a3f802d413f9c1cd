"""The same content was trained, and the database that recorded it is gone: the job on the host says so."""

from __future__ import annotations

import shutil

from support.scripted_host import LIST, Answer, page

SWEEP = "[sweep.space]\nn_epochs = [{}]\n"


def lose_the_database(customer):
    shutil.rmtree(customer.project.root / ".ftorch")


def submit_sweep(customer, epochs, *options):
    jobs = customer.project.root / "jobs"
    rows = (jobs / "train.jsonl").read_text().splitlines(keepends=True)
    (jobs / "validation.jsonl").write_text("".join(rows[:3]).replace("Switch on", "Put on"))
    files = 'training_file = "train.jsonl"\nvalidation_file = "validation.jsonl"'
    customer.project.write_job(
        SWEEP.format(", ".join(map(str, epochs))), endpoint='endpoint = "hosted"', training_file=files, n_epochs=""
    )
    return customer.ftorch("submit", "jobs/greet.toml", "--yes", *options)


def test_a_job_of_the_same_content_is_named_and_not_paid_for_again_unasked(host, openai_customer):
    assert openai_customer.submit().code == 0
    model = host.jobs["ftjob-0001"]["fine_tuned_model"]
    lose_the_database(openai_customer)
    refused = openai_customer.submit(name="other")
    said = f"trained before as job ftjob-0001 (model {model}), recorded elsewhere"
    assert (refused.code, refused.out, host.creates) == (4, "", 1)
    assert f"the same content was {said}" in refused.err
    assert f"{said}; to record it in this project: ftorch runs adopt ftjob-0001 --endpoint hosted" in refused.err
    assert openai_customer.runs() == {}
    assert openai_customer.submit("--again", name="other").code == 0
    assert host.creates == 2


def test_the_way_out_that_is_named_helps(host, openai_customer):
    openai_customer.submit()
    lose_the_database(openai_customer)
    assert openai_customer.submit().code == 4
    assert openai_customer.ftorch("adopt", "ftjob-0001", "--endpoint", "hosted").code == 0
    again = openai_customer.submit()
    assert (again.code, "recorded elsewhere" in again.err, host.creates) == (4, False, 1)
    assert "trained before as run" in again.err


def test_a_dry_run_sends_nothing(host, openai_customer):
    openai_customer.submit()
    lose_the_database(openai_customer)
    asked = len(host.asked)
    assert openai_customer.submit("--dry-run").code == 0
    assert len(host.asked) == asked


def test_other_content_and_jobs_that_failed_are_no_reason_to_ask(host, openai_customer):
    openai_customer.submit()
    openai_customer.submit(name="second", n_epochs=2)
    host.end("ftjob-0002", "failed")
    lose_the_database(openai_customer)
    assert openai_customer.submit(n_epochs=3).code == 0
    assert openai_customer.submit(name="second", n_epochs=2).code == 0


def test_a_run_that_is_recorded_here_is_not_elsewhere(host, openai_customer):
    openai_customer.submit()
    found = openai_customer.submit()
    assert (found.code, "recorded elsewhere" in found.err, host.creates) == (0, False, 1)


def test_the_look_is_bounded_where_the_host_ignores_the_filter(host, openai_customer):
    for _ in range(1200):
        host.make({"model": "m"})
    host.holds = True
    host.on(LIST, lambda asked: page(list(host.jobs.values()), asked.query.get("after"), 100))
    before = host.count(LIST)
    openai_customer.submit("--detach", "--dry-run")
    assert host.count(LIST) == before
    shown = openai_customer.submit("--detach")
    assert "only the newest jobs of hosted were read" in shown.err
    filtered = [asked for asked in host.asked if "metadata[ftorch_content]" in asked.query]
    assert len(filtered) == 10


def test_what_could_not_be_looked_for_is_said_and_stops_nothing(host, openai_customer):
    host.on(LIST, lambda asked: Answer(400, {}) if "metadata[ftorch_content]" in asked.query else None)
    done = openai_customer.submit()
    assert (done.code, host.creates) == (0, 1)
    assert "did not look for jobs with the same content that were recorded elsewhere" in done.err


def test_a_host_without_metadata_is_not_asked(host, customer):
    assert customer.submit().code == 0
    lose_the_database(customer)
    assert customer.submit().code == 0
    assert not [asked for asked in host.asked if any(key.startswith("metadata") for key in asked.query)]


def test_a_sweeps_trials_are_looked_for_too(host, openai_customer):
    submit_sweep(openai_customer, [1, 2])  # they succeed, and this host measures nothing to rank them by
    assert host.creates == 2
    lose_the_database(openai_customer)
    refused = submit_sweep(openai_customer, [1, 2, 3])
    assert (refused.code, host.creates) == (4, 2)
    assert "The same content as trial 1 was trained before as job ftjob-000" in refused.err
    assert "(2 trials were trained before in all)" in refused.err
    submit_sweep(openai_customer, [1, 2, 3], "--again")
    assert host.creates == 5


def test_many_trials_cost_one_reading_of_the_list(host, openai_customer):
    submit_sweep(openai_customer, [1, 2])  # they succeed, and this host measures nothing to rank them by
    assert host.creates == 2
    lose_the_database(openai_customer)
    before = host.count(LIST)
    assert submit_sweep(openai_customer, range(1, 13)).code == 4
    assert host.count(LIST) == before + 1
