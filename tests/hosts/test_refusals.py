"""Hosts that turn the paid request away: passing, for good, or in words of their own."""

from __future__ import annotations

import time

from support.scripted_host import CREATE, UPLOAD, Answer, refusal

CAP = refusal(429, "Your organization has reached the maximum of 3 active requests.", "rate_limit_exceeded")


def created_at(host):
    return [asked.at for asked in host.asked if asked.line == CREATE]


def test_a_limit_without_a_time_is_asked_less_and_less_often(host, customer):
    host.on(CREATE, CAP, times=2)
    done = customer.submit()
    first, second, third = created_at(host)
    assert (done.code, len(host.jobs)) == (0, 1)
    assert second - first >= 0.9
    assert third - second >= 1.8
    assert "asking again at" in done.err
    assert done.err.count("maximum of 3 active requests") == 1
    assert "refused for now (as before); asking again" in done.err
    shown = " ".join(customer.ftorch("show", "greet").out.split())
    assert "answered, 3 attempts" in shown
    assert shown.count("maximum of 3 active requests") == 2


def test_no_request_goes_out_before_the_time_that_a_limit_names(host, customer):
    host.on(CREATE, refusal(429, "Slow down.", "rate_limit_exceeded", retry_after="3600"))
    customer.project.write_job(endpoint='endpoint = "hosted"')
    with customer.interrupted_when(lambda: host.creates > 0):
        done = customer.submit()
    assert (done.code, host.creates) == (130, 1)
    assert "asking again at" in customer.run()["reason"]
    assert "refused for now, 1 attempt" in customer.ftorch("show", "greet").out
    began = time.monotonic()
    with customer.interrupted_when(lambda: time.monotonic() > began + 0.8):
        customer.ftorch("resume")
    assert host.creates == 1


def test_trouble_that_never_ends_is_asked_for_three_times(host, customer):
    host.on(CREATE, refusal(500, "The server had an error while processing your request."))
    done = customer.submit()
    assert (done.code, host.creates, customer.run()["state"]) == (4, 3, "unknown")
    keys = {asked.headers["idempotency-key"] for asked in host.asked if asked.line == CREATE}
    assert len(keys) == 1
    assert "The server had an error while processing your request." in done.err
    assert f"ftorch resume --again {customer.run()['run']}" in done.err
    customer.ftorch("resume")
    assert host.creates == 3
    host.forget_rules()
    assert customer.ftorch("resume", "--again", customer.run()["run"]).code == 0
    assert (host.creates, len(host.jobs), customer.run()["state"]) == (4, 1, "succeeded")


def test_a_new_file_that_is_not_ready_is_waited_for(host, customer):
    host.on(CREATE, refusal(409, "The file is not ready", "file_not_ready"), times=3)
    done = customer.submit()
    assert (done.code, host.creates, len(host.jobs), host.count(UPLOAD)) == (0, 4, 1, 1)


def test_no_credit_holds_the_run_until_there_is_some(host, customer):
    host.on(CREATE, Answer(402, {"detail": "Insufficient credits. Top up your balance."}))
    done = customer.submit()
    assert (len(host.jobs), customer.run()["state"]) == (0, "creating")
    assert done.code != 0
    assert done.err.count("Top up your balance") == 2
    assert "on hold: hosted has no credit for it; asking again at" in done.err
    assert "no process follows it: ftorch resume" in " ".join(customer.ftorch("status").out.split())
    host.forget_rules()
    assert customer.ftorch("resume").code == 0
    assert (len(host.jobs), customer.run()["state"]) == (1, "succeeded")


def test_a_refusal_ends_the_run_with_the_hosts_words(host, customer):
    host.on(CREATE, Answer(422, {"detail": [{"loc": ["body", "n_epochs"], "msg": "too high"}]}))
    done = customer.submit()
    assert (done.code, host.creates, customer.run()["state"]) == (1, 1, "failed")
    assert "too high" in done.err


def test_a_refusal_whose_job_was_made_all_the_same_is_not_believed(host, customer):
    def refuse(asked):
        host.make(asked.fields)
        return refusal(403, "The policy of this gateway forbids it.")

    host.on(CREATE, refuse)
    done = customer.submit()
    assert (done.code, host.creates, customer.run()["job_id"]) == (0, 1, "ftjob-0001")


def test_a_firewall_at_the_upload_holds_the_run_and_its_file(host, customer):
    host.on(UPLOAD, Answer(403, "<html><title>Blocked by the company's firewall</title></html>"))
    done = customer.submit()
    assert (done.code, customer.run()["state"]) == (1, "uploading")
    assert "Blocked by the company's firewall" in done.err
    assert "asking again at" in customer.run()["reason"]
    host.forget_rules()
    assert customer.ftorch("resume").code == 0
    assert (len(host.jobs), customer.run()["state"]) == (1, "succeeded")


def test_no_credit_for_one_run_stops_no_other(host, customer):
    def refuse(asked):
        return Answer(402, {"detail": "Insufficient credits."}) if asked.count == 1 else None

    host.on(CREATE, refuse)
    host.holds = True
    customer.submit("--detach", name="poor", n_epochs=7)
    customer.follow("rich")
    assert customer.states() == {"poor": "creating", "rich": "queued"}
    host.holds = False
    done = customer.ftorch("resume")
    assert (done.code, set(customer.states().values())) == (0, {"succeeded"})
    assert len(host.jobs) == 2


def test_an_upload_at_a_limit_says_when_it_is_sent_again(host, customer):
    host.on(UPLOAD, refusal(429, "Too many files.", "rate_limit_exceeded", retry_after="3600"))
    with customer.interrupted_when(lambda: host.count(UPLOAD) > 0):
        assert customer.submit().code == 130
    assert "Too many files. (HTTP 429, rate_limit_exceeded)); asking again at" in customer.run()["reason"]


def test_a_conflict_without_a_job_is_a_refusal(host, customer):
    host.on(CREATE, refusal(409, "This model cannot be tuned with this method."))
    done = customer.submit()
    assert (done.code, host.creates, customer.run()["state"]) == (1, 1, "failed")
    assert "cannot be tuned" in done.err


def test_a_conflict_with_an_earlier_attempt_is_looked_into(host, customer):
    host.on(CREATE, refusal(409, "A request with this Idempotency-Key is in progress."), times=1)
    done = customer.submit()
    assert (done.code, host.creates, customer.run()["state"]) == (0, 2, "succeeded")


def test_a_page_of_the_network_in_place_of_the_host_holds_the_run(host, customer):
    page = Answer(403, "<html><title>Blocked by corporate policy 17</title></html>", {"Content-Type": "text/html"})
    host.on(CREATE, page, times=1)
    done = customer.submit()
    held = customer.run()
    assert (done.code, held["state"], host.creates, host.jobs) == (1, "creating", 1, {})
    assert "Blocked by corporate policy 17" in done.err
    assert held["reason"].startswith("on hold: "), held
    assert customer.ftorch("resume").code == 0
    assert (customer.run()["state"], len(host.jobs)) == ("succeeded", 1)
