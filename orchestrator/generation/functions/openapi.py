"""The operations of an OpenAPI document (3.0, 3.1, 3.2) or of Swagger 2.0 as tools.

A tool's parameters are those of the operation and the properties of its JSON body, in one object.
https://spec.openapis.org/oas/v3.1.1.html, https://spec.openapis.org/oas/v2.0.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.dataset.checking.refused import LONGEST_DESCRIPTION
from orchestrator.dataset.findings import named_type, shown
from orchestrator.errors import InvalidFunctions, ToolsUnusable
from orchestrator.generation.functions.definitions import Entry, check_number, listed, sound_name
from orchestrator.generation.functions.openapischemas import Schema, Schemas, TooManyReferences, Unusable, target_of

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_VERSIONS = ("2.0", "3.0", "3.1", "3.2")
_TRANSPORT = ("accept", "content-type", "authorization")
"""Header parameters that OpenAPI says to ignore."""
_FORM = "application/x-www-form-urlencoded"
_MERGED = frozenset(("type", "properties", "required", "additionalProperties", "title", "description", "examples"))
_MERGED |= {"default", "deprecated", "$comment"}
"""Keywords of a body that keep their meaning, or are not needed, when other properties are added."""
_ABOUT_PARAMETER = (
    *("name", "in", "description", "required", "deprecated", "example", "examples"),
    *("allowEmptyValue", "allowReserved", "collectionFormat", "style", "explode"),
)


def is_openapi(value: Any) -> bool:
    """Whether a document declares itself as OpenAPI or Swagger."""
    return isinstance(value, dict) and bool(value.keys() & {"openapi", "swagger"})


def tools_of(document: Mapping[str, Any], origin: str) -> tuple[list[Entry], list[str]]:
    """A tool for each operation, in the order of the document, and notes about them.

    Raises ToolsUnusable for a document of another version or without operations, and InvalidFunctions for
    operations that can't be read: references to other files or to nothing, and violations of OpenAPI's rules.
    """
    version = str(document.get("openapi", document.get("swagger")))
    if version[:3] not in _VERSIONS:
        problem = f"its OpenAPI version is {shown(version)}"
        raise ToolsUnusable(source=origin, problem=problem, fix=f"Use one of {', '.join(_VERSIONS)}")
    try:
        operations, secrets = list(_operations(document)), _secrets(document)
    except Unusable as error:
        raise ToolsUnusable(source=origin, problem=error.problem, fix=error.fix) from None
    if not operations:
        fix = 'Describe at least one under "paths"; webhooks are called by the service, not by a model'
        raise ToolsUnusable(source=origin, problem="it is an OpenAPI document without operations", fix=fix)
    check_number(len(operations), origin)
    notes, problems, entries = _Notes(), [], []
    for operation in operations:
        try:
            tool = _Tool(operation, document, secrets, notes).definition()
            entries.append(Entry(operation.named_place, {"type": "function", "function": tool}))
        except Unusable as error:
            problems.append(f"{origin}: {operation.place}: {error.problem}. {error.fix}.")
    if problems:
        raise InvalidFunctions(origin, problems)
    return entries, notes.sentences()


@dataclass
class _Notes:
    _places: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what: str, place: str) -> None:
        places = self._places.setdefault(what, [])
        if place not in places:
            places.append(place)

    def sentences(self) -> list[str]:
        return [f"{listed(places)}: {what}" for what, places in self._places.items()]


@dataclass(frozen=True)
class _Operation:
    method: str
    path: str
    value: Mapping[str, Any]
    shared: tuple[Any, ...]
    """Parameters of all operations of the path."""

    @property
    def place(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def named_place(self) -> str:
        identity = self.value.get("operationId")
        return f"{self.place} (operationId {shown(identity)})" if isinstance(identity, str) else self.place


def _operations(document: Mapping[str, Any]) -> Iterator[_Operation]:
    for path, item in _object(document.get("paths", {}), '"paths"').items():
        if path.startswith("x-"):
            continue
        target = _object(target_of(document, item), path)
        shared = tuple(_array(target.get("parameters"), f"{path}: the parameters"))
        for method in _METHODS:
            if method in target:
                value = _object(target[method], f"{method.upper()} {path}")
                yield _Operation(method, path, value, shared)


def _secrets(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Place and name of the parameters that carry a key, which a model must not give."""
    components = _object(document.get("components") or {}, '"components"')
    schemes = components.get("securitySchemes") or document.get("securityDefinitions") or {}
    found = [target_of(document, each) for each in _object(schemes, "the security schemes").values()]
    keys = [each for each in found if isinstance(each, dict) and each.get("type") == "apiKey"]
    return {(str(each.get("in")), str(each.get("name")).lower()) for each in keys}


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Unusable(f"{what} must be an object; it is {named_type(value)}", "Write an object")
    return value


def _array(value: Any, what: str) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise Unusable(f"{what} must be an array; found {named_type(value)}", "Write an array")
    return value or []


@dataclass
class _Tool:
    """One operation, to be turned into a tool."""

    operation: _Operation
    document: Mapping[str, Any]
    secrets: set[tuple[str, str]]
    notes: _Notes

    def definition(self) -> dict[str, Any]:
        said = self._description()
        definition = {"name": self._name(), **({"description": said} if said else {})}
        try:
            return {**definition, "parameters": self._parameters(Schemas(self.document))}
        except TooManyReferences:
            self._note("references kept as $defs: there are too many to inline")
            return {**definition, "parameters": self._parameters(Schemas(self.document, keep_all=True))}
        except RecursionError:
            raise Unusable("its schemas are nested too deeply", "Reduce the nesting") from None

    def _note(self, what: str) -> None:
        self.notes.add(what, self.operation.place)

    def _name(self) -> str:
        given = self.operation.value.get("operationId")
        if not isinstance(given, str) or not given:
            self._note("named after method and path, since it has no operationId")
            return sound_name(f"{self.operation.method}_{self.operation.path.strip('/')}")
        name = sound_name(given)
        if not name:
            raise Unusable(f"the operationId {shown(given)} has no character for a function's name", "Rename it")
        if name != given:
            self._note(f"the operationId {shown(given)} became the name {name}")
        return name

    def _description(self) -> str:
        said = [self.operation.value.get(key) for key in ("summary", "description")]
        texts = list(dict.fromkeys(text.strip() for text in said if isinstance(text, str) and text.strip()))
        if len(texts) == 2 and texts[1].startswith(texts[0]):
            texts = texts[1:]
        text = "\n\n".join(texts)
        if not text:
            self._note("no summary or description, so a model has only the name to go by")
        if len(text) > LONGEST_DESCRIPTION:
            self._note(f"description cut to {LONGEST_DESCRIPTION:,} characters")
            return f"{text[: LONGEST_DESCRIPTION - 1]}…"
        return text

    def _parameters(self, schemas: Schemas) -> Schema:
        properties: Schema = {}
        required: list[str] = []
        for where, parameter in self._given():
            name = parameter["name"]
            if name in properties:
                self._note(f"two parameters are called {shown(name)}; the one in the {where} became {where}_{name}")
                name = f"{where}_{name}"
            properties[name] = _described(schemas.written(self._schema(parameter)), parameter)
            if where == "path" or parameter.get("required") is True:
                required.append(name)
        more = self._add_body(schemas, properties, required)
        if definitions := schemas.definitions():
            more = {**more, "$defs": definitions}
        return {"type": "object", "properties": properties, **({"required": required} if required else {}), **more}

    def _given(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The parameters that a call gives, each with its location."""
        for where, parameter in self._all():
            name = parameter["name"]
            if where == "cookie":
                self._note(f"the cookie {shown(name)} left out")
            elif (where, name.lower()) in self.secrets or (where == "header" and name.lower() in _TRANSPORT):
                self._note(f"the {where} {shown(name)} left out: it carries a key or a media type")
            elif where in ("path", "query", "header"):
                yield where, parameter
            elif where not in ("body", "formData"):
                raise Unusable(
                    f"the parameter {shown(name)} is in {shown(where)}", "Write path, query, header or cookie"
                )

    def _all(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        own = _array(self.operation.value.get("parameters"), "the parameters")
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        for each in (*self.operation.shared, *own):
            parameter = _object(target_of(self.document, each), "a parameter")
            where, name = parameter.get("in"), parameter.get("name")
            if not isinstance(where, str) or not isinstance(name, str) or not name:
                raise Unusable('a parameter has no "name" or no "in"', "Write both")
            found[where, name] = parameter
        yield from ((where, parameter) for (where, _), parameter in found.items())

    def _schema(self, parameter: Mapping[str, Any]) -> Any:
        if "schema" in parameter:
            return parameter["schema"]
        if "content" in parameter:
            content = _object(parameter["content"], f"the content of {parameter['name']}")
            kinds = (each for each in content.values() if isinstance(each, dict))
            return next((each["schema"] for each in kinds if "schema" in each), {})
        inner = {key: value for key, value in parameter.items() if key not in _ABOUT_PARAMETER}
        return inner or {"type": "string"}

    # --- The body ------------------------------------------------------------------------------------------------

    def _add_body(self, schemas: Schemas, properties: Schema, required: list[str]) -> Schema:
        """Adds the body; returns its keywords for the whole object."""
        schema, is_required = self._body()
        if schema is None:
            return {}
        body = schemas.written(target_of(self.document, schema))
        inner = _properties_to_merge(body)
        if inner is not None and not inner.keys() & properties.keys():
            properties.update(inner)
            required += body.get("required") or []
            return {"additionalProperties": False} if body.get("additionalProperties") is False else {}
        name = next(name for name in ("body", "request_body", "body_of_request") if name not in properties)
        if inner is not None:
            self._note(f"the body shares names with the parameters, so it became the argument {name}")
        properties[name] = body
        if is_required:
            required.append(name)
        return {}

    def _body(self) -> tuple[Any, bool]:
        """The schema of the body, None without one that a call could give; and whether it is required."""
        if "requestBody" not in self.operation.value:
            return self._body_of_swagger()
        body = _object(target_of(self.document, self.operation.value["requestBody"]), "the requestBody")
        content = _object(body.get("content") or {}, "the content of the requestBody")
        for kind in sorted(content, key=_is_form):  # JSON before forms
            if _is_json(kind) or _is_form(kind):
                return _object(content[kind], kind).get("schema", {}), body.get("required") is True
        if content:
            self._note(f"the body left out: it is {listed(list(content), 2)}, not JSON")
        return None, False

    def _body_of_swagger(self) -> tuple[Any, bool]:
        fields: Schema = {}
        required: list[str] = []
        for where, parameter in self._all():
            if where == "body":
                return parameter.get("schema", {}), parameter.get("required") is True
            if where == "formData" and parameter.get("type") == "file":
                self._note(f"the file {shown(parameter['name'])} left out")
            elif where == "formData":
                fields[parameter["name"]] = _described(self._schema(parameter), parameter)
                required += [parameter["name"]] if parameter.get("required") is True else []
        return ({"type": "object", "properties": fields, "required": required}, True) if fields else (None, False)


def _properties_to_merge(body: Any) -> Schema | None:
    """The properties of a body that has nothing else; None for any other."""
    if not isinstance(body, dict) or body.get("type", "object") != "object" or not body.keys() <= _MERGED:
        return None
    properties = body.get("properties")
    others = body.get("additionalProperties", True)
    return properties if isinstance(properties, dict) and isinstance(others, bool) else None


def _is_json(kind: str) -> bool:
    plain = kind.partition(";")[0].strip().lower()
    return plain.endswith(("/json", "+json")) or plain == "*/*"


def _is_form(kind: str) -> bool:
    return kind.partition(";")[0].strip().lower() == _FORM


def _described(schema: Any, parameter: Mapping[str, Any]) -> Any:
    """The schema with the parameter's description and examples."""
    if not isinstance(schema, dict):
        return schema
    said: Schema = {}
    if isinstance(text := parameter.get("description"), str) and text.strip():
        said["description"] = text.strip()
    if values := _examples(parameter):
        said["examples"] = values
    return {**schema, **said}


def _examples(parameter: Mapping[str, Any]) -> list[Any]:
    if "example" in parameter:
        return [parameter["example"]]
    named = parameter.get("examples")
    found = named.values() if isinstance(named, dict) else ()
    return [each["value"] for each in found if isinstance(each, dict) and "value" in each]
