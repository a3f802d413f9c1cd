"""A key that is changed: of another account, or a new one of the same."""

from __future__ import annotations

from support.scripted_host import CREATE, JOB, LIST, Answer, page, refusal

NEW_KEY = {"HOSTED_KEY": "canary-new-key-of-the-same-account"}
UNKNOWN_JOB = refusal(404, "Could not find fine tune", "fine_tune_not_found")
OURS = {"openai-organization": "acme", "openai-project": "proj_ours"}
THEIRS = {"openai-organization": "acme", "openai-project": "proj_theirs"}


def shows_nothing(host):
    """As a host looks with the key of another project."""
    host.on(JOB, UNKNOWN_JOB)
    host.on(LIST, page([]))


def leave_unconfirmed(host, customer, name):
    """A run whose create is unconfirmed, with no job that is known."""
    host.on(CREATE, Answer(500, {}), times=1)
    with customer.interrupted_when(lambda: customer.runs().get(name, {}).get("state") == "creating"):
        customer.settle_in(30)
        customer.submit(name=name, n_epochs=9)
    customer.settle_in(0.4)


def test_a_key_that_sees_one_job_of_the_account_is_accepted_for_all_its_runs(host, openai_customer):
    assert openai_customer.submit(name="done", n_epochs=8).code == 0
    host.holds = True
    openai_customer.follow("two", "three")
    leave_unconfirmed(host, openai_customer, "unconfirmed")
    assert openai_customer.runs()["unconfirmed"]["job_id"] is None
    host.holds = False
    assert openai_customer.ftorch("resume", "unconfirmed", **NEW_KEY).code == 0
    assert openai_customer.runs()["unconfirmed"]["state"] == "succeeded"
    assert set(openai_customer.states().values()) <= {"succeeded", "queued", "running"}
    shows_nothing(host)  # all runs have the new key's mark now: nothing more is asked about them
    resumed = openai_customer.ftorch("resume", "two", **NEW_KEY)
    assert "another account" not in resumed.err


def test_a_run_without_a_job_stays_on_hold_for_a_key_that_sees_nothing(host, openai_customer):
    assert openai_customer.submit(name="done", n_epochs=8).code == 0
    leave_unconfirmed(host, openai_customer, "unconfirmed")
    shows_nothing(host)
    assert openai_customer.ftorch("resume", **NEW_KEY).code == 4
    assert "another account" in openai_customer.runs()["unconfirmed"]["reason"]
    assert openai_customer.states()["unconfirmed"] == "creating"


def says(host, headers):
    """Let every answer about jobs carry these headers."""
    host.extra_headers = headers


def test_a_new_key_of_the_same_project_is_known_by_what_answers_say(host, openai_customer):
    says(host, OURS)
    leave_unconfirmed(host, openai_customer, "unconfirmed")
    host.make({"model": "m", "training_file": "file-of-another"})
    assert openai_customer.ftorch("resume", **NEW_KEY).code == 0
    assert openai_customer.states() == {"unconfirmed": "succeeded"}


def test_the_same_key_in_another_project_is_another_account(host, openai_customer):
    says(host, OURS)
    host.holds = True
    openai_customer.follow("one")
    says(host, THEIRS)
    shows_nothing(host)
    assert openai_customer.ftorch("resume").code == 4
    assert "another account" in openai_customer.runs()["one"]["reason"]
    assert openai_customer.states() == {"one": "queued"}
    says(host, OURS)
    host.forget_rules()
    host.holds = False
    assert openai_customer.ftorch("resume").code == 0
