"""One job is in trouble, or all are out of sight; the others go on."""

from __future__ import annotations

from support.scripted_host import JOB, LIST, page, refusal

SICK = "GET /fine_tuning/jobs/ftjob-0001"
NOT_FOUND = refusal(404, "Could not find fine tune", "fine_tune_not_found")


def test_events_that_never_come_do_not_keep_a_job_from_its_model(host, customer):
    host.holds = True
    customer.follow("sick", "well")
    host.on(f"{SICK}/events", refusal(500, "The server had an error"))
    host.holds = False
    done = customer.ftorch("resume")
    assert customer.states() == {"sick": "succeeded", "well": "succeeded"}
    assert done.code == 0
    assert "events can't be fetched" in done.err


def test_a_job_that_is_forbidden_keeps_no_other_back(host, customer):
    host.holds = True
    customer.follow("sick", "well")
    host.on(SICK, refusal(403, "You have insufficient permissions.", "missing_scope"))
    host.holds = False
    done = customer.ftorch("resume")
    states = customer.states()
    assert states["well"] == "succeeded"
    assert states["sick"] in ("queued", "running")
    assert done.code == 4
    assert "insufficient permissions" in customer.runs()["sick"]["reason"]
    host.forget_rules()
    assert customer.ftorch("resume").code == 0
    assert set(customer.states().values()) == {"succeeded"}


def test_a_key_of_another_project_ends_no_run_and_pays_nothing(host, openai_customer):
    host.holds = True
    openai_customer.follow("one", "two")
    host.on(JOB, NOT_FOUND)
    host.on(LIST, page([]))
    openai_customer.ftorch("resume", HOSTED_KEY="the-key-of-another-project")
    assert "another account" in openai_customer.runs()["one"]["reason"]
    assert set(openai_customer.states().values()) <= {"queued", "running", "unknown"}
    host.forget_rules()
    host.holds = False
    assert openai_customer.ftorch("resume").code == 0
    assert set(openai_customer.states().values()) == {"succeeded"}
    assert openai_customer.submit(name="two", n_epochs=2).code == 0
    assert (host.creates, len(host.jobs)) == (2, 2)


def test_jobs_that_vanish_are_unknown_and_are_found_again(host, customer):
    host.holds = True
    customer.follow("gone")
    host.on(JOB, NOT_FOUND)
    done = customer.ftorch("resume")
    assert (done.code, customer.states()) == (4, {"gone": "unknown"})
    assert "ftorch resume looks again" in done.err
    again = customer.submit("--detach", name="gone")
    assert host.creates == 1, again.err
    host.forget_rules()
    host.holds = False
    assert customer.ftorch("resume").code == 0
    assert customer.states() == {"gone": "succeeded"}
