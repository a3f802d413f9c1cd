"""Where a training computes and with what, and how much memory it says it will take."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from orchestrator.server.trainers.interface import Base, TrainingFailedError
from orchestrator.server.trainers.lora import precision
from orchestrator.server.trainers.lora.bases import configuration, tensor_shapes
from orchestrator.server.trainers.lora.folder import TrainingFolder
from orchestrator.server.trainers.lora.job import prepared_job
from orchestrator.server.trainers.lora.precision import Precision, chosen_precision, processor_has_bf16
from orchestrator.server.trainers.lora.trainer import LoraTrainer
from orchestrator.server.trainers.lora.training import program
from orchestrator.server.trainers.lora.training.memory import Demand, Shape, estimated, shape_of
from orchestrator.server.trainers.lora.training.models import attends_to_all, load_model
from orchestrator.server.trainers.lora.training.planning import adapter_parameters

from .conftest import Make, Recorded, trained_here

EPYC = "processor\t: 0\nflags\t\t: fpu sse2 avx512f avx512_bf16 erms\n"
OLD = "processor\t: 0\nflags\t\t: fpu sse2 avx2\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\n"
SMOLLM2 = Shape(parameters=134_515_008, hidden=576, intermediate=1_536, layers=30, vocabulary=49_152)


@pytest.mark.parametrize(("text", "found"), [(EPYC, True), (OLD, False), (ARM, True)])
def test_bfloat16_is_used_where_the_processor_has_it(tmp_path: Path, text: str, found: bool) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert processor_has_bf16(tmp_path / "cpuinfo") is found
    assert not processor_has_bf16(tmp_path / "nowhere")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_bfloat16_that_the_processor_does_not_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "processor_has_bf16", lambda: False)
    assert chosen_precision("auto", "none").base == torch.float32
    with pytest.raises(TrainingFailedError, match=r'processor doesn\'t compute with bfloat16\. Set it to "fp32"'):
        chosen_precision("bf16", "none")


def test_adapters_are_in_float32_whatever_the_base_is_in(make: Make) -> None:
    training = make()
    job = prepared_job(TrainingFolder(training.folder), training)
    model = load_model(job, Precision("cpu", torch.bfloat16, quantized=False))
    assert {parameter.dtype for parameter in model.learned.values()} == {torch.float32}
    assert model.peft.get_base_model().get_input_embeddings().weight.dtype == torch.bfloat16


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_quantization_without_bitsandbytes_says_what_to_install(make: Make) -> None:
    with pytest.raises(TrainingFailedError, match=r"has no bitsandbytes\. Run: .* -m pip install bitsandbytes"):
        LoraTrainer().train(make(quantization="nf4"), Recorded())


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="needs bitsandbytes")
def test_a_quantized_model_is_trained(make: Make) -> None:
    report = Recorded()
    trained_here(make(quantization="nf4", n_epochs=4), report)
    assert report.steps[-1].train_loss < 0.7 * report.steps[0].train_loss


def test_a_gpu_that_fails_is_named() -> None:
    message = program._unexpected(
        RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be")
    )
    assert message.startswith("The GPU failed: CUDA error: unspecified launch failure. Look at `nvidia-smi`")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_torch_can_not_use_is_mentioned(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1")
    report = Recorded()
    trained_here(make(n_epochs=1), report)
    assert any("has a GPU that torch" in note for note in report.notes)


def test_a_gpu_that_is_gone_ends_the_training(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was trained on a GPU does not go on, a hundred times slower, on the processor."""
    training = make()
    trained_here(training)
    state = TrainingFolder(training.folder).newest_state()
    assert state is not None
    progress = state[1] / "progress.json"
    progress.write_text(progress.read_text().replace('"cpu"', '"cuda"'))
    with pytest.raises(TrainingFailedError, match="began on a GPU, and torch now finds the processor"):
        trained_here(training)


# --- The estimate -----------------------------------------------------------------------------------------------


def demand(**changes: Any) -> Demand:
    """SmolLM2 on the drone job with the names of its functions, as measured: 4.4 GB for batches of 2,664 tokens."""
    measured = Demand(
        shape=SMOLLM2,
        bytes_per_weight=2,
        number_bytes=2,
        adapter_parameters=4_884_480,
        targets_share=0.1,
        longest=333,
        largest=2_664,
    )
    return replace(measured, **changes)


def test_the_estimate_is_near_what_was_measured() -> None:
    assert estimated(demand(), "cpu", 25e9, "auto").total == pytest.approx(4.4e9, rel=0.25)
    assert estimated(demand(largest=737), "cpu", 25e9, "auto").total == pytest.approx(2.03e9, rel=0.25)
    in_float32 = demand(largest=737, bytes_per_weight=4, number_bytes=4)
    assert estimated(in_float32, "cpu", 25e9, "auto").total == pytest.approx(3.12e9, rel=0.25)


def test_micro_batches_are_made_as_small_as_the_memory_needs() -> None:
    small = estimated(demand(), "cpu", 3e9, "auto")
    assert 333 <= small.limit < 2_664
    assert small.total < 3e9
    assert not small.is_checkpointing


def test_activations_are_checkpointed_if_one_sequence_does_not_fit_without() -> None:
    long = demand(longest=8_000, largest=64_000)
    assert estimated(long, "cpu", 8e9, "auto").is_checkpointing
    assert not estimated(long, "cpu", 8e9, False).is_checkpointing
    assert not estimated(long, "cpu", 64e9, "auto").is_checkpointing


def test_what_does_not_fit_is_said_before_the_start() -> None:
    sentence = estimated(demand(), "cpu", 0.5e9, "auto").sentence("bfloat16", "cpu")
    assert "0.3 GB for the base model (bfloat16)" in sentence
    assert sentence.endswith("The machine has 0.5 GB, so memory may run out")


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "down_proj"]])
def test_the_adapter_is_counted_before_it_is_made(make: Make, targets: str | list[str]) -> None:
    training = make(lora_targets=targets)
    job = prepared_job(TrainingFolder(training.folder), training)
    made = load_model(job, Precision("cpu", torch.float32, quantized=False)).learned.values()
    counted = adapter_parameters(tensor_shapes(training.base.folder), targets, 8)
    assert counted == sum(parameter.numel() for parameter in made)


def test_the_shape_of_a_model_is_read_from_its_files(base: Base) -> None:
    shape = shape_of(configuration(base.folder), tensor_shapes(base.folder))
    assert (shape.hidden, shape.intermediate, shape.layers, shape.vocabulary) == (128, 256, 2, 259)
    assert 300_000 < shape.parameters < 360_000


@pytest.mark.parametrize(
    ("config", "attends"),
    [
        ("{}", True),
        ('{"sliding_window": 4096}', True),
        ('{"sliding_window": 512}', False),
        ('{"sliding_window": 512, "use_sliding_window": false}', True),
        ('{"layer_types": ["full_attention", "linear_attention"]}', False),
        ('{"text_config": {"sliding_window": 512}}', False),
    ],
)
def test_models_that_do_not_attend_to_everything_share_nothing(tmp_path: Path, config: str, attends: bool) -> None:
    (tmp_path / "config.json").write_text(config)
    assert attends_to_all(tmp_path, 1_000) is attends
