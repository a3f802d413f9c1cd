"""Exported weights in the libraries that load them: merged, and as an adapter."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.randomllama import make_random_llama

from orchestrator.api.export import Base, Export, write_export
from orchestrator.api.host import Host
from orchestrator.api.openweights import Trained
from orchestrator.config import EndpointConfig
from orchestrator.endpoints.localweights import StoredModel, read_adapter
from orchestrator.modelfolders import TOKENIZER
from orchestrator.reports.modelcard import model_card
from orchestrator.server.trainers.lora.bases import base_fingerprint
from orchestrator.server.trainers.lora.merging import MergeError, merge

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # PEFT's, of names that transformers changes
PYTHON = os.environ.get("FTORCH_LORA_PYTHON", sys.executable)
CHATML = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "random-llama", torch.float32)


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_adapter(base, tmp_path_factory.mktemp("adapter") / "weights")


def make_base(folder: Path, dtype: Any) -> Path:
    """A random model whose settings don't name the end of a turn."""
    from transformers import AutoModelForCausalLM

    make_random_llama(folder)
    AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 0, "temperature": 0.5}))
    return folder


def make_adapter(base: Path, folder: Path, value: float | None = None) -> Path:
    """An adapter that changes what the base model says, in a folder as training leaves it; full of `value`, if one
    is given."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype="auto"), config)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "lora_B" in name:
                tensor.normal_(std=0.1) if value is None else tensor.fill_(value)
    model.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(CHATML)
    facts = {"base": {"fingerprint": base_fingerprint(base)}, "hyperparameters": {"lora_rank": 4}, "seed": 1}
    (folder / "model.json").write_text(json.dumps({**facts, "template": {"family": "hermes"}}))
    return folder


def logits(base: Path, adapter: Path | None = None) -> Any:
    """(tokens, vocabulary), in float32, after a fixed prompt."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
    model = model if adapter is None else PeftModel.from_pretrained(model, str(adapter))
    with torch.no_grad():
        return model.eval()(input_ids=torch.arange(3, 60)[None]).logits[0].float()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_merged_weights_say_what_base_and_adapter_say_together(dtype: Any, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    base = make_base(tmp_path / "base", dtype)
    adapter = make_adapter(base, tmp_path / "adapter")
    merge(PYTHON, base, adapter, tmp_path / "merged")
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype="auto").dtype == dtype
    together, merged = logits(base, adapter), logits(tmp_path / "merged")
    change = (together - logits(base)).abs().max()
    assert change > 0.1, "the adapter changes something"
    assert (merged - together).abs().max() < (1e-5 if dtype == torch.float32 else 0.1 * change)
    settings = json.loads((tmp_path / "merged" / "generation_config.json").read_text())
    assert settings == {"eos_token_id": [0, 2], "temperature": 0.5}, "it stops where serving stops"


def test_weights_that_are_no_numbers_are_refused(base: Path, tmp_path: Path) -> None:
    broken = make_adapter(base, tmp_path / "broken", float("nan"))
    with pytest.raises(MergeError, match="ValueError: NaNs detected"):
        merge(PYTHON, base, broken, tmp_path / "merged")


def test_what_is_no_model_is_named(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(MergeError, match=r"^(OSError|ValueError): "):
        merge(PYTHON, tmp_path, adapter, tmp_path / "merged")


def test_the_code_of_the_model_card_runs_and_both_forms_answer_alike(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    answers = []
    for merged in (False, True):
        export = exported(base, adapter)
        folder = tmp_path / str(merged)
        write_export(export, folder, model_card(export, merged=merged), Host(), merged=merged)
        assert (folder / TOKENIZER).is_file()
        answers.append(answer_of(folder, base))
    assert answers[0] == answers[1] != ""


def exported(base: Path, adapter: Path) -> Export:
    stored = StoredModel("ft:random-llama:local::1", "lora", "random-llama", base, adapter, created_at=0)
    config = EndpointConfig("local", "local", python=Path(PYTHON))
    trained = Trained(stored, read_adapter(stored), base, None, config)
    return Export(trained, Base("random-llama", base, None, None, None), ())


def answer_of(folder: Path, base: Path) -> str:
    """What the first block of Python in the card prints."""
    found = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert found
    code = found[1].replace('"random-llama"', repr(str(base))).replace("max_new_tokens=256", "max_new_tokens=16")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [PYTHON, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
