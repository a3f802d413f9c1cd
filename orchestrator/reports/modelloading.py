"""How to load an exported model: the code for transformers and PEFT, and the command for vLLM."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote

from orchestrator.api.export import Export

VLLM_PARSERS: Mapping[str, str] = {
    "hermes": "hermes",
    "llama3": "llama3_json",
    "mistral": "mistral",
    "qwen3_coder": "qwen3_coder",
    "deepseek": "deepseek_v3",
    "harmony": "openai",
    "glm": "glm45",
}
"""vLLM's parsers by the format of tool calls: https://docs.vllm.ai/en/latest/features/tool_calling/"""
_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM's --max-lora-rank takes: https://docs.vllm.ai/en/latest/features/lora/"""

_ADAPTED = """\
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
base = AutoModelForCausalLM.from_pretrained({base}, dtype="auto"){note}
model = PeftModel.from_pretrained(base, ".")
"""
_MERGED = """\
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
model = AutoModelForCausalLM.from_pretrained(".", dtype="auto")
"""
_ASKED = """
messages = [{"role": "user", "content": "Hello"}]
tools = []  # definitions in OpenAI's format, as in training
prompt = tokenizer.apply_chat_template(
    messages, tools=tools or None, add_generation_prompt=True, return_tensors="pt", return_dict=True
)
answer = model.generate(**prompt, max_new_tokens=256)
print(tokenizer.decode(answer[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True))"""


def loading_section(export: Export, *, merged: bool) -> str:
    """The section of the model card, in Markdown. Its code runs in the exported folder."""
    base = export.base.hub_id or export.base.name
    note = "" if export.base.hub_id else "  # or its folder"
    load = _MERGED if merged else _ADAPTED.format(base=repr(base).replace("'", '"'), note=note)
    return "\n".join(
        [
            "## Use",
            "",
            "Run these in this folder. `chat_template.jinja` is the template that the model was trained with; any "
            "other gives it prompts that it has not seen.",
            "",
            "```python",
            f"{load}{_ASKED}",
            "```",
            "",
            "With vLLM:" if _parser(export) else "With vLLM, which has no parser for this template's tool calls:",
            "",
            "```console",
            f"$ {_vllm(export, base, merged=merged)}",
            "```",
        ]
    )


def _vllm(export: Export, base: str, *, merged: bool) -> str:
    parser = _parser(export)
    words = ["vllm", "serve", "." if merged else base, "--chat-template", "chat_template.jinja"]
    if parser:
        words += ["--enable-auto-tool-choice", "--tool-call-parser", parser]
    if not merged:
        words += ["--enable-lora", "--max-lora-rank", str(_rank(export)), "--lora-modules", "tuned=."]
    return " ".join(map(quote, words))


def _parser(export: Export) -> str | None:
    return VLLM_PARSERS.get(str(export.adapter.template.get("family")))


def _rank(export: Export) -> int:
    """The least that vLLM takes for the adapter's rank; the adapter's own where it takes none."""
    rank = int(export.adapter.config.get("r") or _RANKS[0])
    return next((each for each in _RANKS if each >= rank), rank)
