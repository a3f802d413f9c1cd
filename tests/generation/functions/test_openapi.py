"""The operations of an OpenAPI document become functions, with schemas that calls can be checked against."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from support.functionsources import body, openapi, read, refusal

from orchestrator.dataset.checking.schemas import parameters_of
from orchestrator.errors import FtorchError, InvalidFunctions, ToolsUnusable
from orchestrator.generation.functions.sources import read_functions

SHOP = Path(__file__).parent / "fixtures" / "shop.yaml"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parameters(document: Any) -> dict[str, Any]:
    """Those of the only function."""
    (function,) = read(document, "api.json").functions
    parameters_of(function.schema)  # it is a sound schema
    return dict(function.schema)


def test_the_operations_of_an_openapi_document_become_functions() -> None:
    source = read_functions(SHOP)
    read_order, change, create, close = source.functions
    assert source.kind == "openapi"
    assert read_order.name == "orders_read"
    assert read_order.description == "Read an order.\n\nAn order with its lines."
    assert read_order.schema == {
        "type": "object",
        "properties": {
            "order": {"type": "integer", "exclusiveMinimum": 0},
            "X-Request": {"type": "string", "examples": ["abc"]},
            "fields": {
                "type": "array",
                "items": {"type": "string", "enum": ["on", "off", "08:30"]},
                "description": "What to show.",
            },
        },
        "required": ["order"],
    }
    assert (change.name, create.name, close.name) == ("changeOrder", "post_orders", "close")
    assert close.schema == {"type": "object", "properties": {}}


def test_a_body_joins_the_parameters_with_its_references_resolved() -> None:
    create = read_functions(SHOP).functions[2]
    named = {"type": "string", "description": "Its name.", "examples": ["first"]}
    line = {
        "type": "object",
        "properties": {
            "article": {"type": "string"},
            "parts": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
        },
    }
    assert create.schema == {
        "type": "object",
        "properties": {
            "order": named,
            "note": {"type": ["string", "null"], "enum": ["gift", "own", None]},
            "lines": {"type": "array", "items": line},
            "parent": {
                "type": "object",
                "required": ["order"],
                "properties": {"order": named},
                "description": "The one before.",
            },
        },
        "required": ["order", "lines"],
        "$defs": {"Line": line},
    }
    assert parameters_of(create.schema).problems({"order": "a", "lines": [{"parts": [{"article": 3}]}]})


def test_a_body_with_a_name_of_the_parameters_goes_under_body() -> None:
    change = read_functions(SHOP).functions[1]
    assert list(change.schema["properties"]) == ["order", "body"]
    assert change.schema["properties"]["body"]["required"] == ["order", "lines"]
    assert change.schema["required"] == ["order", "body"]


def test_what_was_left_out_or_renamed_is_noted() -> None:
    notes = read_functions(SHOP).notes
    assert 'GET /orders/{order}: the cookie "session" left out' in notes
    assert 'GET /orders/{order}: the header "X-Shop-Key" left out: it carries a key or a media type' in notes
    assert any('the header "authorization" left out' in note for note in notes)
    assert 'GET /orders/{order}: the operationId "orders.read" became the name orders_read' in notes
    assert "POST /orders: named after method and path, since it has no operationId" in notes


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"$ref": "#/components/schemas/A"}, {"type": "integer"}),
        ({"$ref": "#/components/schemas/A", "description": "x"}, {"type": "integer", "description": "x"}),
        ({"$ref": "#/components/schemas/A", "maximum": 3}, {"maximum": 3, "type": "integer"}),
        ({"$ref": "#/components/schemas/A", "type": "string"}, {"type": "string", "allOf": [{"type": "integer"}]}),
        ({"$ref": "#/components/schemas/a~1b%20c"}, {"type": "boolean"}),
        (
            {"oneOf": [{"type": "string"}, {"type": "number"}], "nullable": True, "description": "x"},
            {"description": "x", "anyOf": [{"oneOf": [{"type": "string"}, {"type": "number"}]}, {"type": "null"}]},
        ),
        ({"type": "integer", "maximum": 5, "exclusiveMaximum": True}, {"type": "integer", "exclusiveMaximum": 5}),
        ({"type": "integer", "maximum": 5, "exclusiveMaximum": False}, {"type": "integer", "maximum": 5}),
        (
            {"type": "string", "example": "a", "xml": {"name": "b"}, "x-order": 3},
            {"type": "string", "examples": ["a"]},
        ),
        ({"type": "object", "example": {"nullable": True}}, {"type": "object", "examples": [{"nullable": True}]}),
        ({"type": "object", "additionalProperties": {"$ref": "#/components/schemas/A"}}, ...),
        (
            {"allOf": [{"type": "integer"}, {"minimum": 1}, {"minimum": 2}]},
            {"allOf": [{"type": "integer"}, {"minimum": 1}, {"minimum": 2}]},
        ),
    ],
)
def test_schemas_of_openapi_become_json_schema(schema: Any, written: Any) -> None:
    components = {"schemas": {"A": {"type": "integer"}, "a/b c": {"type": "boolean"}}}
    paths = {"/": {"post": body({"type": "object", "properties": {"p": schema}})}}
    found = parameters(openapi(paths, components=components))
    expected = {"type": "object", "additionalProperties": {"type": "integer"}} if written is ... else written
    assert found["properties"] == {"p": expected}


def test_a_body_that_is_no_plain_object_is_one_argument() -> None:
    for schema in (
        {"type": "array", "items": {"type": "string"}},
        {"oneOf": [{"type": "object", "properties": {}}]},
    ):
        assert parameters(openapi({"/": {"post": body(schema)}}))["properties"] == {"body": schema}
    strict = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    assert parameters(openapi({"/": {"post": body(strict)}})) == strict


def test_references_that_meet_themselves_in_several_ways_are_kept() -> None:
    schemas = {
        "A": {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/B"}}},
        "B": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}},
    }
    found = parameters(
        openapi({"/": {"post": body({"$ref": "#/components/schemas/A"})}}, components={"schemas": schemas})
    )
    call = {"b": {"a": {"b": {"a": {"b": 5}}}}}
    assert parameters_of(found).problems(call)
    assert not parameters_of(found).problems({"b": {"a": {"b": {}}}})


def test_references_that_multiply_are_kept_so_that_nothing_explodes() -> None:
    schemas: dict[str, Any] = {"L0": {"type": "string"}}
    for level in range(1, 25):
        inner = {"$ref": f"#/components/schemas/L{level - 1}"}
        schemas[f"L{level}"] = {"type": "object", "properties": {"a": inner, "b": inner}}
    start = time.monotonic()
    Path("api.json").write_text(
        json.dumps(
            openapi({"/": {"post": body({"$ref": "#/components/schemas/L24"})}}, components={"schemas": schemas})
        )
    )
    try:
        source = read_functions("api.json")
    except InvalidFunctions as error:
        assert "references multiply" in str(error)  # noqa: PT017
    else:
        assert len(source.functions[0].schema["$defs"]) == 24
        assert any("$defs" in note for note in source.notes)
    assert time.monotonic() - start < 3


@pytest.mark.parametrize(("types", "fits"), [(80, True), (300, False)])
def test_types_that_all_refer_to_each_other_are_kept_up_to_a_limit(types: int, fits: bool) -> None:
    schemas = {
        f"T{number}": {
            "type": "object",
            "properties": {
                f"p{each}": {"$ref": f"#/components/schemas/T{(number * 7 + each) % types}"} for each in range(6)
            },
        }
        for number in range(types)
    }
    document = openapi({"/": {"post": body({"$ref": "#/components/schemas/T1"})}}, components={"schemas": schemas})
    start = time.monotonic()
    if fits:
        source = read(document, "api.json")
        assert len(source.functions[0].schema["$defs"]) == types
        assert "POST /: references kept as $defs: there are too many to inline" in source.notes
    else:
        assert "refer to more than 100 others" in refusal(document, "api.json", InvalidFunctions)
    assert time.monotonic() - start < 3


def test_swagger_2_is_read_too() -> None:
    document = {
        "swagger": "2.0",
        "info": {},
        "securityDefinitions": {"k": {"type": "apiKey", "in": "query", "name": "key"}},
        "definitions": {
            "Pet": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
        },
        "paths": {
            "/pets/{id}": {
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "type": "integer", "format": "int32"}
                ],
                "put": {
                    "operationId": "putPet",
                    "parameters": [
                        {"name": "pet", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Pet"}},
                        {"name": "key", "in": "query", "type": "string"},
                    ],
                },
                "post": {
                    "operationId": "tag",
                    "parameters": [
                        {"name": "tag", "in": "formData", "required": True, "type": "string", "description": "It."},
                        {"name": "photo", "in": "formData", "type": "file"},
                    ],
                },
            }
        },
    }
    put, post = read(document, "api.json").functions
    identity = {"type": "integer", "format": "int32"}
    assert put.schema["properties"] == {"id": identity, "name": {"type": "string"}}
    assert put.schema["required"] == ["id", "name"]
    assert post.schema["properties"] == {"id": identity, "tag": {"type": "string", "description": "It."}}
    assert post.schema["required"] == ["id", "tag"]


def test_parameters_of_an_operation_replace_those_of_its_path() -> None:
    shared = [{"name": "a", "in": "query", "schema": {"type": "string"}}]
    own = [{"name": "a", "in": "query", "schema": {"type": "integer"}}]
    found = parameters(openapi({"/": {"parameters": shared, "get": {"operationId": "x", "parameters": own}}}))
    assert found["properties"] == {"a": {"type": "integer"}}


def test_two_parameters_of_one_name_are_both_kept() -> None:
    both = [
        {"name": "a", "in": place, "required": True, "schema": {"type": "string"}} for place in ("path", "query")
    ]
    found = parameters(openapi({"/{a}": {"get": {"operationId": "x", "parameters": both}}}))
    assert found["required"] == ["a", "query_a"]


def test_a_long_description_is_cut_and_noted() -> None:
    source = read(openapi({"/": {"get": {"operationId": "x", "description": "d" * 2000}}}), "api.json")
    assert len(source.functions[0].description) == 1024
    assert source.notes == ("GET /: description cut to 1,024 characters",)


REF = {"get": {"operationId": "x", "parameters": [{"$ref": "other.yaml#/A"}]}}


@pytest.mark.parametrize(
    ("document", "error", "said"),
    [
        (openapi({}), ToolsUnusable, "an OpenAPI document without operations"),
        (openapi({"/": {"summary": "x"}}), ToolsUnusable, "an OpenAPI document without operations"),
        ({"openapi": "4.0", "paths": {}}, ToolsUnusable, 'its OpenAPI version is "4.0"'),
        ({"openapi": "3.1.0", "paths": []}, ToolsUnusable, '"paths" must be an object'),
        (openapi({"/": {"get": []}}), ToolsUnusable, "GET / must be an object"),
        (openapi({f"/{number}": {"get": {}} for number in range(129)}), ToolsUnusable, "129 functions"),
        (openapi({"/": REF}), InvalidFunctions, 'GET /: the reference "other.yaml#/A" points outside the document'),
        (
            openapi({"/": {"post": body({"$ref": "#/components/schemas/No"})}}),
            InvalidFunctions,
            "a reference names",
        ),
        (openapi({"/": {"post": body({"$ref": "#/x"})}}, x={"$ref": "#/x"}), InvalidFunctions, "back to itself"),
        (openapi({"/": {"post": body("string")}}), InvalidFunctions, "POST /: a schema is a string"),
        (openapi({"/": {"get": {"parameters": [{"in": "query"}]}}}), InvalidFunctions, 'a parameter has no "name"'),
        (
            openapi({"/": {"get": {"parameters": [{"in": "Query", "name": "a"}]}}}),
            InvalidFunctions,
            'the parameter "a" is in "Query"',
        ),
        (openapi({"/": {"get": {"operationId": "…"}}}), InvalidFunctions, "has no character for a function's name"),
        (
            openapi({"/a": {"get": {"operationId": "list pets"}}, "/b": {"get": {"operationId": "list.pets"}}}),
            InvalidFunctions,
            '(operationId "list.pets"): the function list_pets is defined at GET /a (operationId "list pets") too',
        ),
        (
            openapi({"/": {"post": body({"type": "object", "properties": {"a": {"type": "sting"}}})}}),
            InvalidFunctions,
            "function make at /parameters/properties/a/type",
        ),
    ],
)
def test_a_wrong_openapi_document_is_refused(document: Any, error: type[FtorchError], said: str) -> None:
    assert said in refusal(document, "api.json", error)


PLAIN = {
    "type": st.sampled_from(["string", "integer", "object"]),
    "nullable": st.booleans(),
    "$ref": st.sampled_from(["#/components/schemas/A", "#/components/schemas/B"]),
    "description": st.just("x"),
    "minimum": st.integers(0, 3),
}
ANY_SCHEMA = st.recursive(
    st.fixed_dictionaries({}, optional=PLAIN),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            **PLAIN,
            "properties": st.dictionaries(st.sampled_from("pq"), inner, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "items": inner,
        },
    ),
    max_leaves=4,
)


@given(ANY_SCHEMA, ANY_SCHEMA, ANY_SCHEMA)
def test_any_schemas_become_a_sound_schema_or_an_error(outer: Any, first: Any, second: Any) -> None:
    document = openapi({"/": {"post": body(outer)}}, components={"schemas": {"A": first, "B": second}})
    Path("api.json").write_text(json.dumps(document))
    try:
        (function,) = read_functions("api.json").functions
    except InvalidFunctions as error:
        said = str(error)
        assert "points back to itself" in said or "references multiply" in said
        return
    assert "nullable" not in json.dumps(function.schema)
    parameters_of(function.schema)
