"""A training of several processes on a scripted cluster: on one node where one is large enough, else on several."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.scripted_ray import TOTAL, ScriptedRay

from orchestrator.server.launchers.ray import GROUP
from orchestrator.server.trainers.interface import Requested, Training
from orchestrator.server.trainers.lora.folder import TrainingFolder
from orchestrator.server.trainers.lora.job import written_job
from orchestrator.server.trainers.lora.trainer import LoraTrainer

from .conftest import Recorded

WHOLE = list(range(1, TOTAL + 1))


@pytest.fixture
def pair(training: Training) -> Training:
    """Two processes, each with a GPU."""
    numbers = LoraTrainer().resolve(20, "supervised", Requested(options={"num_processes": 2}))
    return replace(training, hyperparameters=numbers)


def learned(weights: Path) -> object:
    return json.loads((weights / "adapter").read_text())


def notes(report: Recorded) -> str:
    return "\n".join(str(told) for told in report.told if isinstance(told, str))


def test_it_runs_on_one_node_that_has_room_for_all(ray: ScriptedRay, on_ray: LoraTrainer, pair: Training) -> None:
    ray.gpus, ray.nodes = 4, [1, 1, 2]
    assert learned(on_ray.train(pair, Recorded())) == WHOLE
    request = ray.jobs["folder-1"].request
    assert (request["entrypoint_num_gpus"], request["entrypoint_num_cpus"]) == (2, 2)
    assert GROUP not in request["entrypoint"]


def test_it_spans_nodes_where_none_has_room_for_all(ray: ScriptedRay, on_ray: LoraTrainer, pair: Training) -> None:
    ray.gpus, ray.nodes = 2, [1, 1]
    report = Recorded()
    assert learned(on_ray.train(pair, report)) == WHOLE
    request = ray.jobs["folder-1"].request
    assert f"-m {GROUP} " in request["entrypoint"]
    assert not {"entrypoint_num_gpus", "entrypoint_num_cpus"} & set(request)
    assert "in all" not in notes(report)


def test_one_process_never_needs_a_group(ray: ScriptedRay, on_ray: LoraTrainer, training: Training) -> None:
    ray.nodes = [0, 0]
    on_ray.train(training, Recorded())
    assert GROUP not in ray.jobs["folder-1"].request["entrypoint"]


def test_without_ray_on_the_head_it_waits_for_one_node_and_says_so(
    ray: ScriptedRay, on_ray: LoraTrainer, pair: Training
) -> None:
    ray.gpus, ray.nodes, ray.head_has_ray = 2, [1, 1], False
    report = Recorded()
    assert learned(on_ray.train(pair, report)) == WHOLE
    assert ray.posts == ["folder-1", "folder-2"]
    assert ray.jobs["folder-2"].request["entrypoint_num_gpus"] == 2
    assert "none of python3 has the package ray: now it waits for one node" in notes(report)


def test_a_lost_worker_costs_what_came_after_the_last_state_and_is_no_death(
    ray: ScriptedRay, on_ray: LoraTrainer, pair: Training
) -> None:
    ray.gpus, ray.nodes = 2, [1, 1]
    ray.plan(9.0, ray.lose_rank)
    report = Recorded()
    assert learned(on_ray.train(pair, report)) == WHOLE
    assert ray.posts == ["folder-1", "folder-2"]
    assert "Ray lost folder-1 (process 1 was lost)" in notes(report)


def test_processors_are_counted_for_each_process(ray: ScriptedRay, on_ray: LoraTrainer, pair: Training) -> None:
    on_ray.train(pair, Recorded())
    assert written_job(TrainingFolder(pair.folder)).threads == 2
