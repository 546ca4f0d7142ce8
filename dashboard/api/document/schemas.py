"""Cleans up the schemas that pydantic writes, so that generators read them as they are meant."""

from typing import Any

from dashboard.api.document import choices, fields, nouns

NULL = {"type": "null"}
CLEARED = {
    "OrgUpdate": {"external_key", "billing_email", "billing_address", "tax_id"},
    "OrgTermsUpdate": {"external_key"},
}
"""The fields of requests that null clears and that otherwise stay."""


def clean(document: dict[str, Any]) -> None:
    """In place: 64 bits for integers, no titles, no field that is optional as well as nullable, and a sentence and the
    known values for each field."""
    for title, schema in document["components"]["schemas"].items():
        schema.pop("$defs", None)
        if not schema.get("description"):
            schema["description"] = nouns.of_schema(title)
        required = schema.get("required", [])
        for name, field in schema.get("properties", {}).items():
            if name not in required and name not in CLEARED.get(title, ()):
                _without_null(field)
            field.setdefault("description", fields.of_field(title, name))
            _name_choices(field, choices.of_field(title, name))
    for methods in document["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                _without_null(parameter["schema"])
                parameter["schema"].pop("description", None)
    _walk(document)


def _name_choices(field: dict[str, Any], values: list[str]) -> None:
    if values:
        target = field.get("items", field)
        target.pop("enum", None)
        target["x-extensible-enum"] = values


def _without_null(field: dict[str, Any]) -> None:
    choices = field.get("anyOf", [])
    if NULL in choices:
        left = [one for one in choices if one != NULL]
        field.pop("anyOf")
        field |= left[0] if len(left) == 1 else {"anyOf": left}
        if field.get("default", 0) is None:
            del field["default"]


def _walk(node: Any, *, named: bool = False) -> None:
    """`named`: the keys of `node` are names that we chose, not keywords."""
    if isinstance(node, list):
        for one in node:
            _walk(one)
    if not isinstance(node, dict):
        return
    if not named:
        if isinstance(node.get("title"), str) and ("type" in node or "anyOf" in node or "$ref" in node):
            del node["title"]
        if node.get("type") == "integer":
            node.setdefault("format", "int64")
        for bound in ("minimum", "maximum"):
            if isinstance(node.get(bound), float) and node[bound].is_integer():
                node[bound] = int(node[bound])
    for name, one in node.items():
        if name == "example":
            continue
        _walk(one, named=name == "properties" and not named)
