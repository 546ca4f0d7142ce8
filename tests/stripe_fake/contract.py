"""Judges requests, answers and events by the schema of Stripe's API.

Each check returns a list of complaints, empty when all is well. Origin: the schema was derived from the type
declarations of Stripe's Node SDK (MIT licence); see tests/stripe_data/README.md.
"""

import functools
import json
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

DATA = pathlib.Path(__file__).resolve().parent.parent / "stripe_data"
Json = dict[str, Any]


@functools.cache
def spec() -> Json:
    loaded: Json = json.loads((DATA / "openapi-subset.json").read_text())
    return loaded


def version() -> str:
    return str(spec()["info"]["version"])


@functools.cache
def _root() -> Draft202012Validator:
    # One root for all: a validator made from scratch would search the whole megabyte for anchors each time.
    return Draft202012Validator(spec())


def _complaints(value: object, schema: Json) -> list[str]:
    judge = _root().evolve(schema=schema)
    return [line for error in judge.iter_errors(value) for line in _reasons(error)]


def _reasons(error: ValidationError, depth: int = 0) -> list[str]:
    """The innermost reasons of one schema error, as "path: message"."""
    if error.context and depth < 12:
        longest = max(len(inner.absolute_path) for inner in error.context)
        nearest = [inner for inner in error.context if len(inner.absolute_path) == longest]
        return [line for inner in nearest[:3] for line in _reasons(inner, depth + 1)]
    return ["/".join(map(str, error.absolute_path)) + ": " + error.message[:160]]


def check_object(value: object, name: str) -> list[str]:
    return _complaints(value, {"$ref": f"#/components/schemas/{name}"})


def check_event(event: Json) -> list[str]:
    """A snapshot event; a type outside the subset is a complaint."""
    ref = spec()["x-stripe-events"].get(event.get("type"))
    if ref is None:
        return [f"type: not in the subset: {event.get('type')!r}"]
    found = _complaints(event, {"$ref": ref})
    if event.get("api_version") != version():
        found.append(f"api_version: {event.get('api_version')!r}, the subset is {version()!r}")
    if event["data"]["object"].get("livemode", event["livemode"]) != event["livemode"]:
        found.append("livemode: event and object differ")
    return found


def check_request(method: str, path: str, text: str = "") -> list[str]:
    """One API request; `text` is the form body of a POST, else the query string."""
    operation = _operation(method, path)
    if operation is None:
        return [f"{method.upper()} {path}: not in the subset"]
    schema = _parameters(operation)
    return _complaints(_typed(decode_form(text), schema), schema)


def parameters(method: str, path: str, text: str) -> Json:
    """The parameters of a request that passed `check_request`, with the types that the schema names."""
    operation = _operation(method, path)
    assert operation is not None
    typed = _typed(decode_form(text), _parameters(operation))
    assert isinstance(typed, dict)
    return typed


def check_answer(method: str, path: str, status: int, answer: object) -> list[str]:
    operation = _operation(method, path)
    if operation is None or status != 200:
        return check_object(answer, "Error")
    return _complaints(answer, operation["responses"]["200"]["content"]["application/json"]["schema"])


def _operation(method: str, path: str) -> Json | None:
    """The operation with the fewest placeholders whose template fits."""
    fitting = [template for template, pattern in _patterns() if pattern.fullmatch(path)]
    for template in sorted(fitting, key=lambda template: template.count("{")):
        operation: Json | None = spec()["paths"][template].get(method.lower())
        if operation is not None:
            return operation
    return None


@functools.cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [(template, re.compile(re.sub(r"\{[^}]+\}", "[^/]+", template))) for template in spec()["paths"]]


def _parameters(operation: Json) -> Json:
    body = operation.get("requestBody")
    if body:
        schema: Json = body["content"]["application/x-www-form-urlencoded"]["schema"]
        return schema
    query = [parameter for parameter in operation["parameters"] if parameter["in"] == "query"]
    return {
        "type": "object",
        "properties": {parameter["name"]: parameter["schema"] for parameter in query},
        "required": [parameter["name"] for parameter in query if parameter["required"]],
        "additionalProperties": False,
    }


def decode_form(text: str) -> Json:
    """`a[b][0][c]=1` becomes `{"a": {"b": [{"c": "1"}]}}`, as Stripe reads a body."""
    root: Json = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        parts = re.findall(r"[^\[\]]+|(?<=\[)(?=\])", key)
        node = root
        for part in parts[:-1]:
            node = node.setdefault(part or str(len(node)), {})
        node[parts[-1] or str(len(node))] = value
    return {key: _lists(value) for key, value in root.items()}


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(key.isdigit() for key in node):
        return [_lists(node[key]) for key in sorted(node, key=int)]
    return {key: _lists(value) for key, value in node.items()}


def _typed(value: Any, schema: Mapping[str, Any]) -> Any:
    """Form values are strings: each gets the type that the schema asks for, where it can be read as one."""
    while "$ref" in schema:
        schema = spec()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    for option in schema.get("anyOf", ()):
        made = _typed(value, option)
        if _root().evolve(schema=option).is_valid(made):
            return made
    if isinstance(value, str):
        return _scalar(value, schema.get("type"))
    if isinstance(value, list):
        return [_typed(item, schema.get("items", {})) for item in value]
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return {key: _typed(item, known.get(key, {})) for key, item in value.items()}
    return value


def _scalar(text: str, kind: object) -> str | int | float | bool:
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind == "integer" and re.fullmatch(r"-?[0-9]+", text):
        return int(text)
    if kind == "number" and re.fullmatch(r"-?[0-9]+([.][0-9]+)?", text):
        return float(text)
    return text


def event_files() -> Iterator[pathlib.Path]:
    yield from sorted((DATA / "events").glob("*.json"))
