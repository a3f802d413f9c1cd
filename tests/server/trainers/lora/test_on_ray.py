"""A training on a Ray cluster: what is started, how often, and what becomes of what goes wrong. The cluster and its
clock are scripted; the folder, the fence and the requests are real."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.scripted_ray import TOTAL, Process, ScriptedRay

from orchestrator.server.trainers.interface import Step, Training, TrainingFailedError
from orchestrator.server.trainers.lora.folder import TrainingFolder
from orchestrator.server.trainers.lora.trainer import LoraTrainer

from .conftest import Recorded

WHOLE = list(range(1, TOTAL + 1))


def steps(report: Recorded) -> list[object]:
    return [told for told in report.told if isinstance(told, int)]


def notes(report: Recorded) -> str:
    return "\n".join(str(told) for told in report.told if isinstance(told, str))


def learned(weights: Path) -> list[int]:
    found: list[int] = json.loads((weights / "adapter").read_text())
    return found


def wrote(ray: ScriptedRay) -> list[str]:
    """The attempts whose programs wrote anything."""
    return [key for key, trainer in ray.started if trainer.wrote]


def test_a_job_is_submitted_with_its_needs_and_a_key_of_its_own(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    report = Recorded()
    assert learned(on_ray.train(training, report)) == WHOLE
    assert steps(report) == WHOLE
    assert ray.posts == ["folder-1"]
    request = ray.jobs["folder-1"].request
    assert (request["entrypoint_num_gpus"], request["entrypoint_num_cpus"]) == (1, 1)
    assert request["entrypoint"].endswith(f"train {training.folder} 1")
    assert "/opt/trainer/bin/python -P -m" in request["entrypoint"]
    assert ray.jobs["folder-1"].status == "SUCCEEDED"
    assert (TrainingFolder(training.folder).attempt(1).path / "package").read_text() == "1"


@pytest.mark.parametrize("fault", ["lost answer", "doubled", "error"])
def test_an_answer_that_says_nothing_is_looked_up(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training, fault: str
) -> None:
    ray.faults = [fault]
    assert learned(on_ray.train(training, Recorded())) == WHOLE
    assert wrote(ray) == ["folder-1"]
    assert set(ray.posts) == {"folder-1"}


def test_a_request_that_got_lost_is_not_sent_again_under_its_key(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    ray.faults = ["lost request"]
    report = Recorded()
    on_ray.train(training, report)
    assert ray.posts == ["folder-2"]
    assert "Ray knows no folder-1" in notes(report)


def test_a_restarted_head_costs_what_came_after_the_last_state(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    ray.plan(7.0, lambda: ray.kill_head(20.0))
    ray.plan(7.0, ray.kill_trainers)
    report = Recorded()
    assert learned(on_ray.train(training, report)) == WHOLE
    assert ray.posts == ["folder-1", "folder-2"]
    begun = json.loads(TrainingFolder(training.folder).attempt(2).events.read_text().splitlines()[0])
    assert begun == {"kind": "from", "step": 3}
    assert "can't be reached: Connection refused" in notes(report)


def test_a_trainer_that_outlives_its_head_ends_once_it_is_replaced(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    ray.plan(5.0, lambda: ray.kill_head(1.0))
    assert learned(on_ray.train(training, Recorded())) == WHOLE
    old, new = (trainer for _, trainer in ray.started)
    assert (old.status, new.status) == (75, 0)
    assert TrainingFolder(training.folder).attempt(1).result() is None


def test_a_training_that_ends_while_the_head_is_gone_is_not_made_again(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    ray.plan(7.0, lambda: ray.kill_head(3600.0))
    assert learned(on_ray.train(training, Recorded())) == WHOLE
    assert ray.posts == ["folder-1"]
    assert ray.now < 60


def test_an_hour_without_a_head_is_waited_out(ray: ScriptedRay, on_ray: LoraTrainer, training: Training) -> None:
    ray.kill_head(3600.0)
    report = Recorded()
    assert learned(on_ray.train(training, report)) == WHOLE
    assert ray.now > 3600
    assert notes(report).count("can't be reached") == 1


def test_a_dead_process_of_ours_finds_the_trainer_again(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    first = Process(lambda: on_ray.train(training, Recorded()))
    ray.plan(8.0, first.kill)
    first.run()
    report = Recorded()
    assert learned(on_ray.train(training, report)) == WHOLE
    assert ray.posts == ["folder-1"]
    assert steps(report) == WHOLE


def test_a_result_that_nobody_recorded_is_found_by_the_next_process(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    first = Process(lambda: on_ray.train(training, Recorded()))
    ray.plan(8.0, first.kill)
    first.run()
    ray.sleep(3600)
    ray.jobs = {}
    assert learned(on_ray.train(training, Recorded())) == WHOLE
    assert ray.posts == ["folder-1"]


def test_weights_that_were_taken_and_not_recorded_are_made_again_from_the_last_state(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    on_ray.train(training, Recorded()).rename(training.folder / "taken")
    assert learned(on_ray.train(training, Recorded())) == WHOLE
    assert ray.posts == ["folder-1", "folder-2"]
    assert len(TrainingFolder(training.folder).attempt(2).events.read_text().splitlines()) == 1


def test_a_lost_worker_node_is_noticed_and_another_attempt_continues(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    ray.plan(8.0, lambda: ray.kill_node(process_goes_on=False))
    report = Recorded()
    assert learned(on_ray.train(training, report)) == WHOLE
    assert "Ray lost folder-1" in notes(report)


def test_a_node_that_dies_before_anything_was_kept_is_a_death(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    ray.plan(4.0, lambda: ray.kill_node(process_goes_on=False))
    with pytest.raises(OSError, match="Ray lost folder-1 before it got anywhere"):
        on_ray.train(training, Recorded())


def test_a_queue_that_is_longer_than_rays_patience_costs_only_time(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    ray.gpus = 0
    ray.plan(2500.0, lambda: setattr(ray, "gpus", 1))
    report = Recorded()
    assert learned(on_ray.train(training, report)) == WHOLE
    assert ray.posts == ["folder-1", "folder-2", "folder-3"]
    assert wrote(ray) == ["folder-3"]
    assert "asks Ray at http://ray:8265 for 1 GPUs and has 0 in all" in notes(report)
    assert "failed to start within 900 seconds" in notes(report)


def test_a_stopped_job_keeps_its_state_and_its_gpu_is_free(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    class Pausing(Recorded):
        def step(self, step: Step) -> None:
            if step.step == 5:
                raise InterruptedError("paused")

    with pytest.raises(InterruptedError):
        on_ray.train(training, Pausing())
    assert not ray.jobs["folder-1"].is_active
    state = TrainingFolder(training.folder).newest_state()
    assert state is not None
    assert state[0] >= 5
    assert learned(on_ray.train(training, Recorded())) == WHOLE


def test_a_job_that_somebody_stopped_in_ray_is_not_started_again(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    ray.plan(8.0, lambda: setattr(ray.jobs["folder-1"], "stopping_at", ray.now))
    with pytest.raises(TrainingFailedError, match="Somebody stopped folder-1 in Ray"):
        on_ray.train(training, Recorded())


def test_storage_that_workers_do_not_have_is_named(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    ray.storage_is_shared = False
    with pytest.raises(TrainingFailedError, match=r"owner\.json is not on this worker\. The storage"):
        on_ray.train(training, Recorded())


def test_a_missing_token_is_named_before_anything_is_submitted(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray.token = "right"
    with pytest.raises(TrainingFailedError, match="wants a token, and there is none in the environment variable"):
        on_ray.train(training, Recorded())
    monkeypatch.setenv("RAY_TOKEN", "wrong")
    with pytest.raises(
        TrainingFailedError, match="refused the token in the environment variable RAY_TOKEN"
    ) as said:
        on_ray.train(training, Recorded())
    assert "wrong" not in str(said.value)
    monkeypatch.setenv("RAY_TOKEN", "right")
    assert learned(on_ray.train(training, Recorded())) == WHOLE


def test_a_token_that_expires_while_a_job_trains_does_not_end_it(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    ray.plan(6.0, lambda: setattr(ray, "token", "new"))
    assert learned(on_ray.train(training, Recorded())) == WHOLE
    assert ray.posts == ["folder-1"]


def test_requests_that_ray_always_refuses_fail_the_training(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(body: dict[str, object]) -> object:
        from httpx2 import Response

        return Response(500, text="RuntimeError: no package for this runtime_env")

    monkeypatch.setattr(ray, "_posted", refusing)
    with pytest.raises(TrainingFailedError, match=r"could not start the training: .* no package for this"):
        on_ray.train(training, Recorded())


def test_a_program_that_runs_out_of_memory_on_a_worker_is_tried_with_less(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    def full() -> None:
        _, trainer = ray.started[-1]
        fence = trainer._fence
        assert fence is not None
        fence.say("plan", tokens=4096, longest=1000, is_checkpointing=False, may_checkpoint=True)
        trainer.status = 79

    ray.plan(6.0, full)
    report = Recorded()
    assert learned(on_ray.train(training, report)) == WHOLE
    assert TrainingFolder(training.folder).attempt(2).limits.most_tokens == 2048


def test_a_folder_of_another_version_is_refused(training: Training, on_ray: LoraTrainer, ray: ScriptedRay) -> None:
    from orchestrator.server.trainers.lora.folder import put_json, read_json
    from orchestrator.server.trainers.lora.job import written_job

    on_ray.train(training, Recorded())
    folder = TrainingFolder(training.folder)
    put_json(folder.path / "job.json", {**read_json(folder.path / "job.json"), "version": 2})
    with pytest.raises(TrainingFailedError, match="has version 2 of the training folder, and this program reads"):
        written_job(folder)


def test_workers_read_copies_of_the_data_from_the_shared_folder(
    ray: ScriptedRay, on_ray: LoraTrainer, training: Training
) -> None:
    on_ray.train(training, Recorded())
    job = TrainingFolder(training.folder).job()
    assert job is not None
    assert Path(job["training"]) == training.folder / "data" / "training"
    assert Path(job["training"]).read_bytes() == training.training.read_bytes()
