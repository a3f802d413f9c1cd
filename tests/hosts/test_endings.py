"""How jobs end, or seem to, on hosts with other words and other habits."""

from __future__ import annotations

from support.scripted_host import CANCEL, CREATE, JOB, Answer, refusal


def test_a_job_that_ended_in_other_words(host, customer):
    host.holds = True
    customer.follow("good", "bad")
    host.end("ftjob-0001", "completed", fine_tuned_model="acme/gpt-tuned")
    host.end("ftjob-0002", "user_error")
    done = customer.ftorch("resume")
    assert (done.code, done.out.strip()) == (1, "acme/gpt-tuned")
    assert customer.states() == {"good": "succeeded", "bad": "failed"}


def test_a_word_of_its_own_with_a_filled_error_is_a_failure(host, customer):
    error = {"message": "training ran out of memory", "code": "oom"}
    host.on(JOB, lambda asked: host.end(asked.subject, "OUT_OF_LUCK", error=error))
    done = customer.submit()
    assert (done.code, customer.run()["state"]) == (1, "failed")
    assert "training ran out of memory" in done.err


def test_a_model_id_that_is_late_is_waited_for(host, customer):
    host.holds = True
    customer.follow("late")
    host.end("ftjob-0001", fine_tuned_model=None)
    host.on(
        JOB, lambda asked: host.jobs["ftjob-0001"].update(fine_tuned_model="ft:late") if asked.count > 3 else None
    )
    done = customer.ftorch("resume")
    assert (done.code, done.out.strip(), customer.states()) == (0, "ft:late", {"late": "succeeded"})


def test_a_model_id_that_does_not_come_is_unknown_and_never_paid_again(host, customer):
    host.holds = True
    customer.follow("late")
    host.end("ftjob-0001", fine_tuned_model=None)
    done = customer.ftorch("resume")
    assert (done.code, customer.states()) == (4, {"late": "unknown"})
    assert "gives no model id" in done.err
    assert "ftorch resume looks again" in done.err
    assert customer.submit(name="late").code == 4
    host.end("ftjob-0001")
    assert customer.ftorch("resume").code == 0
    assert customer.states() == {"late": "succeeded"}
    assert host.creates == 1


def test_a_job_that_the_host_pauses_goes_on_when_the_host_does(host, customer):
    host.holds = True
    customer.follow("paused")
    host.end("ftjob-0001", "paused", finished_at=None)
    assert customer.ftorch("resume").code == 0
    assert customer.states() == {"paused": "paused"}
    host.end("ftjob-0001")
    assert customer.ftorch("resume").code == 0
    assert customer.states() == {"paused": "succeeded"}


def test_a_paused_job_is_cancelled_where_the_user_says_so(host, openai_customer):
    host.holds = True
    openai_customer.follow("paused")
    host.end("ftjob-0001", "paused", finished_at=None)
    openai_customer.ftorch("resume")
    assert openai_customer.ftorch("cancel", "paused", "--yes").code == 0
    assert openai_customer.states() == {"paused": "cancelled"}


def test_a_refused_cancel_is_no_success(host, customer):
    host.holds = True
    customer.follow("going")
    host.on(CANCEL, refusal(409, "conflict"))
    done = customer.ftorch("cancel", "going", "--yes")
    assert done.code != 0
    assert "can't be cancelled" in done.err
    assert customer.states() == {"going": "queued"}


def test_a_cancel_is_repeated_over_passing_trouble(host, customer):
    host.holds = True
    customer.follow("going")
    host.on(CANCEL, refusal(500, "boom"), times=3)
    assert customer.ftorch("cancel", "going", "--yes").code == 0
    assert customer.states() == {"going": "cancelled"}


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
    done = customer.submit(n_epochs=1)
    assert "n_epochs 1 was asked for, and it says 3" in done.err
