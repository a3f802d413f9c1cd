"""The answer to a create is lost, and the host shows the job with other words than it was asked for with."""

from __future__ import annotations

from support.scripted_host import CREATE, Answer, refusal


def lose_everything_but_the_seed(job):
    job.update(suffix=None, training_file=None, model=None, created_at=0)


def test_a_job_is_known_by_the_seed_alone_where_ftorch_drew_it(host, customer):
    host.loses_created(lose_everything_but_the_seed)
    done = customer.submit()
    assert (done.code, host.creates, customer.run()["job_id"]) == (0, 1, "ftjob-0001")
    assert done.out.strip() == host.jobs["ftjob-0001"]["fine_tuned_model"]


def test_a_host_that_answers_with_the_job_of_another_run_does_not_get_it_followed_twice(host, customer):
    host.holds = True
    customer.follow("first")
    host.on(CREATE, lambda asked: Answer(200, host.jobs["ftjob-0001"]))
    done = customer.submit("--detach", name="second", n_epochs=2)
    runs = customer.runs()
    assert (done.code, runs["second"]["job_id"]) == (4, None)
    assert "ftjob-0001" in done.err
    assert host.creates == 2


def test_a_suffix_that_is_too_long_for_the_host_can_be_set_right(host, customer):
    def limit(asked):
        is_short = len(asked.fields["suffix"]) <= 18
        return None if is_short else refusal(400, "suffix must be at most 18 characters", "invalid_suffix")

    host.on(CREATE, limit)
    done = customer.submit(line='suffix = "my-drone-1"')
    assert (done.code, customer.run()["state"], len(host.jobs)) == (1, "failed", 0)
    assert "suffix must be at most 18 characters" in done.err
    assert "suffix_max" in done.err
    settings = customer.project.root / "ftorch.toml"
    settings.write_text(settings.read_text() + "suffix_max = 18\n")
    assert customer.submit(line='suffix = "my-drone-1"').code == 0
    assert host.creates == 2


def test_a_host_that_takes_letters_and_digits_alone_gets_the_id_alone(host, customer):
    def only_letters(asked):
        said = f"suffix {asked.fields['suffix']} is not allowed: letters and digits only"
        return None if asked.fields["suffix"].isalnum() else refusal(400, said, "invalid_suffix")

    host.on(CREATE, only_letters)
    done = customer.submit()
    assert done.code == 1
    assert "if it accepts letters and digits only, suffix_max = 8 there sends the run's id" in done.err
    settings = customer.project.root / "ftorch.toml"
    settings.write_text(settings.read_text() + "suffix_max = 8\n")
    assert customer.submit().code == 0
    assert len(host.jobs) == 1


def test_a_job_of_the_console_is_adopted_and_followed_to_its_model(host, customer):
    made = host.make({"model": "gpt-4.1-mini-2025-04-14", "training_file": "file-console", "suffix": "by-hand"})
    failed = host.make({"model": "ft:some:org:old:abc", "training_file": "file-gone"})
    host.end(failed["id"], "failed", error={"code": "invalid_training_file", "message": "The file is invalid."})
    host.holds = True
    assert "which is not recorded in this project" in customer.ftorch("doctor", "hosted").out
    assert customer.ftorch("adopt", "--all", "--endpoint", "hosted").code == 0
    assert customer.states() == {"by-hand": "queued", "adopted": "failed"}
    assert customer.ftorch("adopt", "ftjob-none", "--endpoint", "hosted").code != 0
    host.end(made["id"])
    customer.ftorch("resume")
    assert customer.states()["by-hand"] == "succeeded"
    assert host.creates == 0


def cancelled(host):
    return [job["id"] for job in host.jobs.values() if job["status"] == "cancelled"]


def lose_every_mark(job):
    job.update(suffix=None, seed=None)


def test_a_job_without_a_mark_is_cancelled_only_after_a_yes(host, customer):
    host.holds = True
    host.loses_created(lose_every_mark)
    assert customer.submit("--detach").code == 0
    done = customer.ftorch("cancel", "greet")
    assert (done.code, "job ftjob-0001 fits and bears no mark of this run" in done.err) == (4, True), done.err
    assert cancelled(host) == []
    asked = customer.project.terminal("cancel", "greet", typed="n\n")
    assert (asked.code, "it may be somebody else's." in asked.out) == (1, True), asked.out
    assert cancelled(host) == []
    assert customer.ftorch("cancel", "greet", "--yes").code == 0
    assert cancelled(host) == ["ftjob-0001"]


def test_a_certain_job_is_cancelled_without_more_questions(host, customer):
    host.holds = True
    customer.follow("greet")
    assert customer.ftorch("cancel", "greet").code == 0
    assert cancelled(host) == ["ftjob-0001"]
