"""Hosts whose list of jobs is missing, is none, or comes in other orders and pages."""

from __future__ import annotations

from support.scripted_host import JOB, LIST, Answer, page, refusal

NO_LIST = refusal(400, "Invalid request, No `custom_llm_provider` provided in request.", "400")


def test_runs_are_followed_one_by_one_where_there_is_no_list(host, customer):
    host.holds = True
    host.on(LIST, NO_LIST)
    customer.follow("a", "b", "c")
    host.holds = False
    done = customer.ftorch("resume")
    assert (done.code, host.creates) == (0, 3)
    assert set(customer.states().values()) == {"succeeded"}


def test_without_a_list_an_unclear_create_is_never_repeated_unasked(host, customer):
    host.on(LIST, NO_LIST)
    host.loses_created()
    done = customer.submit()
    assert (done.code, host.creates, customer.run()["state"]) == (4, 1, "unknown")
    assert f"if there is none, ftorch resume --again {customer.run()['run']}" in done.err
    assert "if there is one, ftorch runs adopt JOB --endpoint hosted records it" in done.err
    customer.ftorch("resume")
    customer.submit()
    assert host.creates == 1


def test_without_a_list_the_doctor_names_the_run_and_the_job_is_taken_by_its_id(host, customer):
    host.on(LIST, NO_LIST)
    host.loses_created()
    customer.submit()
    run_id = customer.run()["run"]
    done = customer.ftorch("doctor", "hosted")
    assert done.code == 1
    assert f"run {run_id} may have a job there" in done.err
    assert "ftorch runs adopt JOB --endpoint hosted" in done.err
    assert customer.ftorch("adopt", "ftjob-0001", "--endpoint", "hosted").code == 0
    assert customer.ftorch("resume").code == 0
    assert (host.creates, customer.run()["run"], customer.run()["state"]) == (1, run_id, "succeeded")
    assert "may have a job" not in customer.ftorch("doctor", "hosted").err


def test_a_check_says_that_there_is_no_list(host, customer):
    host.on(LIST, NO_LIST)
    done = customer.ftorch("endpoints", "check", "hosted")
    assert done.code == 0
    assert "doesn't list its jobs" in done.out
    assert "limited guarantee" in done.out


def test_what_is_no_list_is_no_proof_that_there_is_no_job(host, customer):
    host.on(LIST, Answer(200, {}))
    host.loses_created()
    done = customer.submit()
    assert (done.code, host.creates, customer.run()["state"]) == (4, 1, "unknown")
    host.forget_rules()
    assert customer.ftorch("resume").code == 0
    assert (host.creates, customer.run()["job_id"], customer.run()["state"]) == (1, "ftjob-0001", "succeeded")


def pages_of(host, size, order):
    """A list in this order, on pages of this size, whatever was asked for."""

    def answer(asked):
        return page(order(host.listed(asked)), asked.query.get("after"), size)

    return answer


def test_the_job_is_found_on_whatever_page_it_is(host, customer):
    for age in range(9):
        stranger = host.make({"model": "m", "training_file": "file-of-another"})
        host.end(stranger["id"], created_at=stranger["created_at"] - 86_400 * 30 * (9 - age))
    host.on(LIST, pages_of(host, 2, lambda jobs: jobs[::-1]))
    host.loses_created()
    done = customer.submit()
    assert (done.code, host.creates, customer.run()["job_id"]) == (0, 1, "ftjob-0010")


def test_a_host_that_hides_all_jobs_proves_nothing(host, openai_customer):
    host.holds = True
    openai_customer.follow("first")
    host.on(LIST, page([]))
    host.on(JOB, lambda asked: refusal(404, f"Could not find fine tune: {asked.subject}"))
    host.loses_created()
    done = openai_customer.submit(name="second", n_epochs=2)
    assert (done.code, host.creates, len(host.jobs)) == (4, 2, 2)
    assert openai_customer.states()["second"] in ("unknown", "creating")
    host.forget_rules()
    host.holds = False
    openai_customer.ftorch("resume")
    assert openai_customer.states() == {"first": "succeeded", "second": "succeeded"}
    assert host.creates == 2
