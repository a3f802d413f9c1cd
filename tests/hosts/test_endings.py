"""How jobs end, or seem to, on hosts with other words and other habits."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from support.scripted_host import CANCEL, EVENTS, JOB, Answer, refusal


def test_a_model_id_that_is_late_is_waited_for(host, customer):
    customer.settle_in(20)
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
    for _ in range(2):
        done = customer.ftorch("resume")
        assert (done.code, "unpause it on the host" in done.err) == (4, True), done.err
    assert customer.states() == {"paused": "paused"}
    host.end("ftjob-0001")
    assert customer.ftorch("resume").code == 0
    assert customer.states() == {"paused": "succeeded"}


def test_a_refused_cancel_is_no_success(host, customer):
    host.holds = True
    customer.follow("going")
    host.on(CANCEL, refusal(409, "conflict"))
    done = customer.ftorch("cancel", "going", "--yes")
    assert done.code != 0
    assert "can't be cancelled" in done.err
    assert customer.states() == {"going": "queued"}


def test_why_a_job_failed_is_found_in_its_events(host, customer):
    host.holds = True
    customer.follow("greet")
    host.end("ftjob-0001", "failed", error=None)
    told = [
        {"id": "e1", "created_at": 1, "level": "info", "message": "Validating"},
        {"id": "e2", "created_at": 2, "level": "error", "message": "Line 7 has no assistant message"},
        {"id": "e3", "created_at": 3, "level": "info", "message": "Cleaning up"},
    ]
    host.on(EVENTS, Answer(200, {"object": "list", "data": told, "has_more": False}))
    done = customer.ftorch("resume")
    assert "its last event: Line 7 has no assistant message (all of them: ftorch logs" in done.err
    assert customer.states() == {"greet": "failed"}


def test_a_job_that_does_not_begin_for_days_is_pointed_at_by_show_and_resume(host, customer):
    host.holds = True
    customer.follow("stuck")
    with closing(sqlite3.connect(customer.project.root / ".ftorch" / "ftorch.db")) as database, database:
        database.execute("UPDATE runs SET created_at = created_at - 259200, updated_at = updated_at - 259200")
    way = f"check hosted, or run: ftorch cancel {customer.run('stuck')['run']}"
    shown = " ".join(customer.ftorch("show", "stuck").out.split())
    assert f"no change for 3 d 00:00: {way}" in shown
    assert "time 3 d 00:00" in shown
    with customer.interrupted_when(lambda: host.count(JOB) > 3):
        resumed = customer.ftorch("resume")
    assert "has not changed for more than a day" in resumed.err
    assert f"the endpoint says queued): {way}" in resumed.err
