"""Rarer habits of hosts: too many for the fast tests."""

from __future__ import annotations

from support.scripted_host import CANCEL, CREATE, JOB, LIST, LOST, Answer, refusal

SICK = "GET /fine_tuning/jobs/ftjob-0001"


def rename(job):
    job["model"] = "gateway/some-mini-reference"


def test_a_word_of_its_own_with_a_filled_error_is_a_failure(host, customer):
    error = {"message": "training ran out of memory", "code": "oom"}
    host.on(JOB, lambda asked: host.end(asked.subject, "OUT_OF_LUCK", error=error))
    done = customer.submit()
    assert (done.code, customer.run()["state"]) == (1, "failed")
    assert "training ran out of memory" in done.err


def test_a_paused_job_is_cancelled_where_the_user_says_so(host, openai_customer):
    host.holds = True
    openai_customer.follow("paused")
    host.end("ftjob-0001", "paused", finished_at=None)
    openai_customer.ftorch("resume")
    assert openai_customer.ftorch("cancel", "paused", "--yes").code == 0
    assert openai_customer.states() == {"paused": "cancelled"}


def test_a_job_that_succeeds_although_it_was_cancelled_has_its_model(host, customer):
    def cancel(asked):
        shown = dict(host.jobs["ftjob-0001"])
        host.end("ftjob-0001")
        return Answer(200, shown)

    host.holds = True
    customer.follow("going")
    host.on(CANCEL, cancel)
    assert customer.ftorch("cancel", "going", "--yes").code != 0
    assert customer.states() == {"going": "succeeded"}


def test_a_job_that_never_begins_can_be_cancelled(host, customer):
    host.holds = True
    customer.follow("stuck")
    host.end("ftjob-0001", "validating_files", finished_at=None)
    with customer.interrupted_when(lambda: host.count(JOB) > 3):
        customer.ftorch("resume")
    assert customer.runs()["stuck"]["reason"] == "the endpoint says validating_files"
    assert customer.ftorch("cancel", "stuck", "--yes").code == 0
    assert customer.states() == {"stuck": "cancelled"}


def test_numbers_that_the_host_ignores_are_named(host, customer):
    def ignore(asked):
        numbers = {"n_epochs": 3, "batch_size": 8}
        return Answer(200, {**host.make({**asked.fields, "method": None}), "hyperparameters": numbers})

    host.on(CREATE, ignore)
    host.holds = True
    with customer.interrupted_when(lambda: host.count(JOB) > 3):
        done = customer.submit(n_epochs=1)
    assert "n_epochs 1 was requested, but it has 3" in done.err
    assert f"to stop it from training with other numbers, run: ftorch cancel {customer.run()['run']}" in done.err
    assert 'set hyperparameters = "top-level" in [endpoints.hosted] of ftorch.toml, then submit again' in done.err
    assert customer.ftorch("cancel", "greet", "--yes").code == 0
    settings = customer.project.root / "ftorch.toml"
    settings.write_text(settings.read_text() + 'hyperparameters = "top-level"\n')
    host.forget_rules()
    host.holds = False
    assert customer.submit(n_epochs=1).code == 0
    assert [asked for asked in host.asked if asked.line == CREATE][-1].fields["hyperparameters"] == {"n_epochs": 1}


def test_a_list_that_never_ends_is_no_proof(host, customer):
    stranger = host.make({"model": "m", "training_file": "file-of-another"})
    host.holds = True
    host.on(LIST, lambda asked: Answer(200, {"data": [host.seen(stranger)], "has_more": True}))
    host.on(CREATE, LOST)
    done = customer.submit()
    assert (done.code, host.creates, customer.run()["state"]) == (4, 1, "unknown")
    assert "can't be read to its end" in done.err


def test_a_page_instead_of_the_created_job_is_no_answer(host, customer):
    host.on(CREATE, Answer(200, "<html><title>Sign in to WiFi</title></html>"), times=1)
    done = customer.submit()
    assert (done.code, host.creates, len(host.jobs)) == (0, 2, 1)
    assert "Sign in to WiFi" in done.err


def test_a_gateway_that_gives_up_on_a_job_that_was_made(host, customer):
    def give_up(asked):
        host.make(asked.fields)
        return Answer(524, "error code: 524")

    host.on(CREATE, give_up)
    done = customer.submit()
    assert (done.code, host.creates, customer.run()["job_id"]) == (0, 1, "ftjob-0001")


def test_a_job_that_answers_nonsense_keeps_no_other_back(host, customer):
    def nonsense(asked):
        others_are_over = host.count("GET /fine_tuning/jobs/ftjob-000[23]/checkpoints") == 2
        return None if others_are_over else Answer(200, "<html>sign in</html>")

    host.holds = True
    customer.follow("sick", "well", "also-well")
    host.on(SICK, nonsense)
    host.on(LIST, Answer(200, {"data": "none"}))
    host.holds = False
    assert customer.ftorch("resume").code == 0
    assert set(customer.states().values()) == {"succeeded"}


def test_a_new_key_of_the_same_account_is_known_by_the_jobs_that_it_sees(host, openai_customer):
    host.holds = True
    openai_customer.follow("one")
    host.holds = False
    assert openai_customer.ftorch("resume", HOSTED_KEY="a-new-key-of-the-same-project").code == 0
    assert openai_customer.states() == {"one": "succeeded"}


def test_what_the_found_job_contradicts_is_said(host, customer):
    host.loses_created(rename)
    assert "gateway/some-mini-reference" in customer.submit().err


def test_a_seed_of_the_users_is_no_proof_where_all_else_differs(host, customer):
    def change(job):
        job.update(suffix=None, model="another-model", training_file="another-file")

    host.holds = True
    host.loses_created(change)
    customer.submit("--detach", line="seed = 7")
    assert customer.run()["job_id"] != "ftjob-0001"


def test_a_job_that_ended_in_other_words(host, customer):
    host.holds = True
    customer.follow("good", "bad")
    host.end("ftjob-0001", "completed", fine_tuned_model="acme/gpt-tuned")
    host.end("ftjob-0002", "user_error")
    done = customer.ftorch("resume")
    assert (done.code, done.out.strip()) == (1, "acme/gpt-tuned")
    assert customer.states() == {"good": "succeeded", "bad": "failed"}


def test_a_cancel_is_repeated_over_passing_trouble(host, customer):
    host.holds = True
    customer.follow("going")
    host.on(CANCEL, refusal(500, "boom"), times=3)
    assert customer.ftorch("cancel", "going", "--yes").code == 0
    assert customer.states() == {"going": "cancelled"}


def test_a_refusal_of_the_key_that_passes_ends_nothing(host, customer):
    host.holds = True
    customer.follow("first")
    host.on(JOB, refusal(401, "Incorrect API key provided."), times=1)
    host.holds = False
    customer.ftorch("resume")
    assert customer.states()["first"] != "failed"
    customer.ftorch("resume")
    assert customer.states() == {"first": "succeeded"}
    assert host.creates == 1
