"""The check of a grader before a reinforcement job exists: its fields, as OpenAI's description 2.3.0 has them.

Nothing is run, and no job here trains by a grader.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from orchestrator.server import requests
from orchestrator.server.requests import Body, Text, wrong


def routes() -> Sequence[BaseRoute]:
    """POST /fine_tuning/alpha/graders/validate."""
    return [Route("/fine_tuning/alpha/graders/validate", _validate, methods=["POST"])]


async def _validate(request: Request) -> Response:
    body = await requests.json_object(request)
    requests.parse(GraderRequest, body)
    return JSONResponse({"grader": body["grader"]})


def _program(source: str) -> str:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise wrong(f"is not a Python program: {error}") from error
    if not any(isinstance(node, ast.FunctionDef) and node.name == "grade" for node in tree.body):
        raise wrong("must define a function grade(sample, item)")
    return source


class StringCheck(Body):
    type: Literal["string_check"]
    name: Text
    input: str
    reference: str
    operation: Literal["eq", "ne", "like", "ilike"]


class TextSimilarity(Body):
    type: Literal["text_similarity"]
    name: Text
    input: str
    reference: str
    evaluation_metric: Literal[
        "cosine",
        "fuzzy_match",
        "bleu",
        "gleu",
        "meteor",
        "rouge_1",
        "rouge_2",
        "rouge_3",
        "rouge_4",
        "rouge_5",
        "rouge_l",
    ]


class Python(Body):
    type: Literal["python"]
    name: Text
    source: Annotated[Text, AfterValidator(_program)]
    image_tag: Text | None = None


class ScoreModel(Body):
    type: Literal["score_model"]
    name: Text
    model: Text
    input: list[Mapping[str, Any]]
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    sampling_params: Mapping[str, Any] | None = None


OneGrader = Annotated[StringCheck | TextSimilarity | Python | ScoreModel, Field(discriminator="type")]


class Multi(Body):
    type: Literal["multi"]
    name: Text
    graders: dict[str, OneGrader]
    calculate_output: Text


class GraderRequest(Body):
    """The body of the request."""

    grader: Annotated[StringCheck | TextSimilarity | Python | ScoreModel | Multi, Field(discriminator="type")]
