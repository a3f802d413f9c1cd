"""Judges recorded exchanges by the types of Fireworks' own SDK. It runs in a Python that has `fireworks-ai`, as a
program: exchanges as JSON lines on stdin, one verdict per line on stdout, and the SDK's version at the end.

The SDK is generated from Fireworks' description: request types are TypedDicts with the names on the wire as
annotations, answers pydantic models. Both are judged strictly: a name that they don't have is wrong.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

_ACCOUNT = r"/v1/accounts/[^/]+"
_ROUTES = (
    ("GET", r"/v1/accounts", None, None, "Account", "accounts"),
    ("POST", rf"{_ACCOUNT}/datasets", "dataset_create", None, "Dataset", None),
    ("GET", rf"{_ACCOUNT}/datasets", None, "dataset_list", "Dataset", "datasets"),
    ("POST", rf"{_ACCOUNT}/datasets/[^/:]+:upload", "multipart", None, "DatasetUploadResponse", None),
    (
        "POST",
        rf"{_ACCOUNT}/datasets/[^/:]+:getUploadEndpoint",
        "dataset_get_upload_endpoint",
        None,
        "DatasetGetUploadEndpointResponse",
        None,
    ),
    ("POST", rf"{_ACCOUNT}/datasets/[^/:]+:validateUpload", "any", None, None, None),
    ("GET", rf"{_ACCOUNT}/datasets/[^/:]+", None, None, "Dataset", None),
    ("DELETE", rf"{_ACCOUNT}/datasets/[^/:]+", None, None, None, None),
    (
        "POST",
        rf"{_ACCOUNT}/supervisedFineTuningJobs",
        "supervised_fine_tuning_job_create",
        "supervised_fine_tuning_job_create",
        "SupervisedFineTuningJob",
        None,
    ),
    (
        "GET",
        rf"{_ACCOUNT}/supervisedFineTuningJobs",
        None,
        "supervised_fine_tuning_job_list",
        "SupervisedFineTuningJob",
        "supervisedFineTuningJobs",
    ),
    ("GET", rf"{_ACCOUNT}/supervisedFineTuningJobs/[^/:]+", None, None, "SupervisedFineTuningJob", None),
    ("POST", rf"{_ACCOUNT}/supervisedFineTuningJobs/[^/:]+:cancel", "any", None, None, None),
    ("POST", rf"{_ACCOUNT}/dpoJobs", "dpo_job_create", "dpo_job_create", "DpoJob", None),
    ("GET", rf"{_ACCOUNT}/dpoJobs", None, "dpo_job_list", "DpoJob", "dpoJobs"),
    ("GET", rf"{_ACCOUNT}/dpoJobs/[^/:]+", None, None, "DpoJob", None),
    ("POST", rf"{_ACCOUNT}/dpoJobs/[^/:]+:cancel", "any", None, None, None),
    (
        "GET",
        rf"{_ACCOUNT}/dpoJobs/[^/:]+:getMetricsFileEndpoint",
        None,
        None,
        "DpoJobGetMetricsFileEndpointResponse",
        None,
    ),
    ("GET", rf"{_ACCOUNT}/models", None, "model_list", "Model", "models"),
    ("GET", rf"{_ACCOUNT}/models/[^/:]+", None, None, "Model", None),
    ("DELETE", rf"{_ACCOUNT}/models/[^/:]+", None, None, None, None),
    ("POST", rf"{_ACCOUNT}/deployments", "deployment_create", "deployment_create", "Deployment", None),
    ("GET", rf"{_ACCOUNT}/deployments", None, "deployment_list", "Deployment", "deployments"),
    ("GET", rf"{_ACCOUNT}/deployments/[^/:]+", None, None, "Deployment", None),
    ("DELETE", rf"{_ACCOUNT}/deployments/[^/:]+", None, "deployment_delete", None, None),
    (
        "POST",
        rf"{_ACCOUNT}/deploymentShapeVersions:match",
        "deployment_shape_version_match",
        None,
        "DeploymentShapeVersionMatchResponse",
        None,
    ),
    (
        "POST",
        r"/inference/v1/chat/completions",
        "chat.completion_create",
        None,
        "chat.CompletionCreateResponse",
        None,
    ),
)
"""Method, path, the types of body and query, the type of the answer, and the key of its items in a list."""
_SUBMODULES = {"chat": "chat."}


def main() -> None:
    import fireworks

    for line in sys.stdin:
        print(json.dumps(list(problems(json.loads(line)))), flush=True)
    print(fireworks.__version__)


def problems(exchange: dict[str, Any]) -> Iterator[str]:
    """What is wrong with one exchange, in words."""
    method, path = exchange["method"], exchange["path"]
    route = next((r for r in _ROUTES if r[0] == method and re.fullmatch(r[1], path)), None)
    if route is None:
        yield f"{method} {path} is no request of the SDK"
        return
    _, _, body, query, answer, items = route
    if body not in (None, "any", "multipart"):
        yield from _wrong(exchange["body"], _params(body), f"{method} {path}")
    if query:
        yield from _wrong_names(exchange["query"], _params(query), f"{method} {path}?")
    elif exchange["query"] and body != "any":
        yield f"{method} {path} has the query {sorted(exchange['query'])}"
    if answer and exchange["status"] < 300:
        found = exchange["answer"]
        for each in found[items] if items else [found]:
            yield from _wrong(each, _model(answer), f"the answer of {method} {path}")


def _params(name: str) -> Any:
    import importlib

    module = importlib.import_module(f"fireworks.types.{name}_params")
    title = "".join(part.title() for part in name.rpartition(".")[2].split("_")) + "Params"
    found = getattr(module, title)
    return get_args(found)[0] if get_origin(found) is not None and "Union" in str(get_origin(found)) else found


def _model(name: str) -> Any:
    import fireworks.types
    import fireworks.types.chat

    place, _, title = name.rpartition(".")
    return getattr(fireworks.types.chat if place else fireworks.types, title)


# --- Strictly by type --------------------------------------------------------------------------------------------


def _wrong(value: Any, kind: Any, where: str) -> Iterator[str]:
    origin, inner = get_origin(kind), get_args(kind)
    if hasattr(kind, "__metadata__") or str(origin).endswith(("Required", "NotRequired")):
        yield from _wrong(value, inner[0], where)
    elif kind is Any or kind is object or isinstance(kind, str):
        return
    elif origin is not None and ("Union" in str(origin)):
        verdicts = [list(_wrong(value, each, where)) for each in inner]
        if all(verdicts):
            yield from min(verdicts, key=len)
    elif str(origin) == "typing.Literal":
        if value not in inner:
            yield f"{where} is {value!r}, none of {len(inner)} literals"
    elif isinstance(kind, type) and hasattr(kind, "model_fields"):
        yield from _wrong_fields(value, _fields_of_model(kind), where)
    elif hasattr(kind, "__total__"):
        yield from _wrong_fields(value, _fields_of_params(kind), where)
    elif origin in (list, tuple) or str(origin).startswith("<class 'collections.abc"):
        if not isinstance(value, list) and not isinstance(value, dict):
            yield f"{where} is no array"
        elif isinstance(value, list):
            for number, each in enumerate(value):
                yield from _wrong(each, inner[0], f"{where}[{number}]")
    elif origin is dict:
        for key, each in value.items():
            yield from _wrong(each, inner[1], f"{where}.{key}")
    else:
        yield from _wrong_scalar(value, kind, where)


def _wrong_scalar(value: Any, kind: Any, where: str) -> Iterator[str]:
    name = getattr(kind, "__name__", str(kind))
    fits = {
        "str": isinstance(value, str),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, int | float) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
        "datetime": isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value) is not None,
        "NoneType": value is None,
    }
    if not fits.get(name, True):
        yield f"{where} is {value!r}, no {name}"


def _wrong_fields(value: Any, fields: dict[str, tuple[Any, bool]], where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is {value!r}, no object"
        return
    for key in value:
        if key not in fields:
            yield f"{where} has {key}"
    for key, (kind, is_needed) in fields.items():
        if key in value:
            yield from _wrong(value[key], kind, f"{where} {key}")
        elif is_needed:
            yield f"{where} lacks {key}"


def _wrong_names(query: dict[str, str], kind: Any, where: str) -> Iterator[str]:
    fields = _fields_of_params(kind)
    yield from (f"{where} has {key}" for key in query if key not in fields)


def _fields_of_model(kind: Any) -> dict[str, tuple[Any, bool]]:
    return {
        field.alias or name: (field.annotation, field.is_required()) for name, field in kind.model_fields.items()
    }


def _fields_of_params(kind: Any) -> dict[str, tuple[Any, bool]]:
    found = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        is_needed = "Required[" in str(hint) and "NotRequired[" not in str(hint)
        alias = next(
            (each.alias for each in _annotations(hint) if getattr(each, "alias", None)),
            name,
        )
        if name != "account_id":
            found[alias] = (hint, is_needed)
    return found


def _annotations(hint: Any) -> Iterator[Any]:
    yield from getattr(hint, "__metadata__", ())
    for each in get_args(hint)[:1]:
        if hasattr(each, "__metadata__") or "Required" in str(get_origin(each)):
            yield from _annotations(each)


if __name__ == "__main__":
    main()
