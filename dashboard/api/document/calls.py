"""Describes one call: its errors and headers, who may call it, and its parameters."""

from typing import Any

from dashboard.api.document import access, examples, parts

PARAMETERS = {
    "from": "The first UTC day, inclusive.",
    "group_by": "What the sums are told apart by, besides day and metric.",
    "id": "Its id.",
    "key_id": "The key's id.",
    "metric_key": "The metric.",
    "to": "The last UTC day, inclusive.",
}
"""Sentences for parameters that have none of their own."""


def finish(operation: dict[str, Any], *, keyed: bool) -> None:
    """Complete what flask-openapi wrote about the call. `keyed`: it takes an idempotency key."""
    operation |= access.of_call(operation["operationId"])
    operation.pop("deprecated", None)
    text = " ".join(operation.pop("description", "").replace("<br/>", "\n").split("\n"))
    operation["description"] = f"{text.strip()}\n\n{_needs(operation)}".strip()
    for parameter in operation.get("parameters", []):
        parameter.pop("deprecated", None)
        if parameter["name"] in PARAMETERS:
            parameter.setdefault("description", PARAMETERS[parameter["name"]])
    if keyed:
        operation.setdefault("parameters", []).append(parts.KEY_PARAMETER)
    operation["responses"] = _responses(operation, keyed=keyed)
    examples.add(operation)


def _needs(operation: dict[str, Any]) -> str:
    """What the caller needs, as the last paragraph of the description: most tools do not show `x-scopes`."""
    if scopes := operation["x-scopes"]:
        return f"Needs the scope {' or '.join(f'`{scope}`' for scope in scopes)}."
    return "Any key or token." if operation["security"] else "Open to everyone."


def _responses(operation: dict[str, Any], *, keyed: bool) -> dict[str, Any]:
    """By status: shared errors by reference, all others with their headers."""
    open_, body = operation.get("security") == [], "requestBody" in operation
    operation["responses"].pop("422", None)  # flask-openapi's own
    written: dict[str, Any] = parts.SHARED | (parts.OF_KEYS if keyed else {}) | operation["responses"]
    result: dict[str, Any] = {}
    for status in sorted(written):
        response = written[status]
        if (status in parts.OF_BODIES and not body) or (status == "401" and open_):
            continue
        if isinstance(response, str):
            result[status] = {"$ref": f"#/components/responses/{response}"}
            continue
        names: list[str] = ["X-Request-Id", *parts.LIMIT_HEADERS]
        if keyed and status < "300":
            names += ["Idempotency-Key", "Idempotent-Replay"]
        result[status] = {**response, "headers": parts.headers(*names)}
    return result
