"""A server that answers as vLLM 0.33 does, as far as ftorch asks it: a program of the standard library.

It is started like vLLM, with its arguments and environment, and finds adapters as vLLM's filesystem resolver does.
A file `script.json` in the model's folder says what is different from that; a file `asked.jsonl` there gets what it
was asked.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

Reply = tuple[int, Any]


def error(status: int, message: str, kind: str = "BadRequestError") -> Reply:
    return status, {"error": {"message": message, "type": kind, "param": None, "code": status}}


class Vllm:
    """What a server knows: its model, and the adapters that it loaded."""

    def __init__(self, model: str, name: str, environment: dict[str, str], arguments: list[str]) -> None:
        self.model = model
        self.name = name
        self.key = environment.get("VLLM_API_KEY")
        self.arguments = arguments
        self.environment = environment
        self.loaded: dict[str, str] = {}

    @property
    def script(self) -> dict[str, Any]:
        path = Path(self.model, "script.json")
        script: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return script

    def note(self, path: str, body: Any) -> None:
        with Path(self.model, "asked.jsonl").open("a") as file:
            kept = {key: self.environment[key] for key in sorted(self.environment) if key.startswith("VLLM_")}
            noted = {
                "path": path,
                "body": body,
                "pid": os.getpid(),
                "arguments": self.arguments,
                "environment": kept,
            }
            file.write(json.dumps(noted) + "\n")

    def reply(self, path: str, body: Any) -> Reply:
        if path == "/v1/models":
            return 200, {"data": [{"id": self.name, "root": self.model, "parent": None}]}
        if path == "/v1/load_lora_adapter":
            return self._load(body)
        if path == "/v1/completions":
            return self._complete(body)
        return error(404, f"no {path}", "NotFoundError")

    def _complete(self, body: Any) -> Reply:
        script = self.script
        if script.get("dies"):
            Path(self.model, "script.json").unlink()
            os._exit(1)
        if body["model"] != self.name and not self._resolved(body["model"]):
            return error(404, f"The model `{body['model']}` does not exist.", "NotFoundError")
        if script.get("refuses grammars") and body.get("structured_outputs"):
            return error(400, "Grammar error: cannot convert")
        if "status" in script:
            return error(script["status"], script["message"])
        choice = {"index": 0, "text": script.get("text", "Hello"), "finish_reason": script.get("finish", "stop")}
        usage = {"prompt_tokens": len(body["prompt"]), "completion_tokens": 7}
        return 200, script.get("body", {"choices": [choice], "usage": usage})

    def _load(self, body: Any) -> Reply:
        if self.environment.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING") != "1":
            return 404, {"detail": "Not Found"}
        self.loaded[body["lora_name"]] = body["lora_path"]
        return 200, "Success"

    def _resolved(self, name: str) -> bool:
        if name in self.loaded:
            return True
        folder = self.environment.get("VLLM_LORA_RESOLVER_CACHE_DIR")
        if "lora_filesystem_resolver" not in self.environment.get("VLLM_PLUGINS", "") or folder is None:
            return False
        path = Path(folder, name, "adapter_config.json")
        config = json.loads(path.read_text()) if path.exists() else {}
        return (
            config.get("base_model_name_or_path") == self.model
            and path.with_name("adapter_model.safetensors").exists()
        )


def serve(vllm: Vllm, port: int) -> ThreadingHTTPServer:
    """The server, listening on 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/health":
                self._send(200, {})
            else:
                self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _answer(self, body: Any) -> None:
            if vllm.key is not None and self.headers.get("authorization") != f"Bearer {vllm.key}":
                self._send(401, {"error": "Unauthorized"})
                return
            vllm.note(self.path, body)
            self._send(*vllm.reply(self.path, body))

        def _send(self, status: int, body: Any) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *_: Any) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main(arguments: list[str]) -> None:
    assert arguments[:2] == ["-m", "vllm.entrypoints.openai.api_server"], arguments
    values = {name: value for name, value in pairwise(arguments) if name.startswith("--")}
    vllm = Vllm(values["--model"], values["--served-model-name"], dict(os.environ), arguments[2:])
    if "ends" in vllm.script:
        print(vllm.script["ends"], file=sys.stderr)
        sys.exit(1)
    threading.Timer(120, os._exit, (3,)).start()
    serve(vllm, int(values["--port"])).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
