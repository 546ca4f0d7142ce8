"""The API reference as pages: one of guidance, and one for each group of calls, made from the OpenAPI document."""

import json
import pprint
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
DEEPEST = 2
"""Fields of objects within objects that are listed."""
IDEMPOTENCY_KEY = "order-1042"

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body. `type` is in words; `fields` are those of an object or of a list's items."""

    name: str
    type: str
    text: str
    required: bool
    fields: tuple["Field", ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One method of one path.

    `text` are paragraphs, the last of which says what the caller needs. `examples` are programs that make the call, by
    language; `answer` is what comes back.
    """

    id: str
    method: str
    path: str
    title: str
    text: tuple[str, ...]
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    result: tuple[Field, ...]
    errors: tuple[tuple[str, str], ...]
    examples: tuple[tuple[str, str], ...]
    status: str
    answer: str


@dataclass(frozen=True, slots=True)
class Group:
    slug: str
    title: str
    text: str
    calls: tuple[Call, ...]


def groups(document: Schema) -> tuple[Group, ...]:
    """The document's calls by tag, in the order of its tags."""
    found: dict[str, list[Call]] = {tag["name"]: [] for tag in document.get("tags", ())}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            found.setdefault(operation["tags"][0], []).append(_Reader(document).call(method, path, operation))
    about = {tag["name"]: tag for tag in document.get("tags", ())}
    return tuple(
        Group(
            slug_of(name), _title(about.get(name, {}), name), about.get(name, {}).get("description", ""), tuple(calls)
        )
        for name, calls in found.items()
        if calls
    )


def shown(parameter: Schema) -> bool:
    """The guide explains the headers, and how a path names the organization."""
    return bool(parameter["in"] != "header" and parameter["name"] != "org_id")


def slug_of(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _title(tag: Schema, name: str) -> str:
    return str(tag.get("x-displayName") or name[:1].upper() + name[1:])


class _Reader:
    """Reads one operation; follows the document's references."""

    def __init__(self, document: Schema) -> None:
        self.document = document

    def call(self, method: str, path: str, operation: Schema) -> Call:
        body, request = self._content(operation.get("requestBody", {}))
        responses = {code: self._at(answer) for code, answer in operation["responses"].items()}
        status = min((code for code in responses if code.startswith("2")), default="200")
        result, answer = self._content(responses.get(status, {}))
        parameters = [self._at(one) for one in operation.get("parameters", ())]
        return Call(
            id=operation["operationId"], method=method.upper(), path=path, title=operation["summary"],
            text=tuple(operation["description"].split("\n\n")),
            parameters=tuple(self._parameter(one) for one in parameters if shown(one)),
            body=tuple(self._fields(body, 0)), result=tuple(self._fields(result, 0)),
            errors=tuple((code, one.get("description", "")) for code, one in responses.items() if code >= "4"),
            examples=tuple(_programs(method.upper(), path, request)),
            status=status, answer=json.dumps(answer, indent=2, ensure_ascii=False) if answer is not None else "",
        )  # fmt: skip

    def _content(self, holder: Schema) -> tuple[Schema, Any]:
        """The schema of a body, and an example of it."""
        content = self._at(holder).get("content", {}).get(JSON, {})
        named = [one.get("value") for one in content.get("examples", {}).values()]
        return self._at(content.get("schema", {})), content.get("example", named[0] if named else None)

    def _parameter(self, one: Schema) -> Field:
        schema = self._at(one.get("schema", {}))
        return Field(one["name"], self._type(schema), one.get("description", ""), bool(one.get("required")))

    def _fields(self, schema: Schema, depth: int) -> Iterator[Field]:
        needed = set(schema.get("required", ()))
        for name, raw in self._properties(schema).items():
            one = self._at(raw)
            inner = self._one_of(one)
            inner = self._at(inner.get("items", {})) if inner.get("type") == "array" else inner
            fields = tuple(self._fields(inner, depth + 1)) if depth < DEEPEST else ()
            text = raw.get("description") or one.get("description", "")
            yield Field(name, self._type(one), text, name in needed, fields)

    def _properties(self, schema: Schema) -> dict[str, Any]:
        own = dict(schema.get("properties", {}))
        for part in schema.get("allOf", ()):
            own |= self._properties(self._at(part))
        return own

    def _one_of(self, schema: Schema) -> Schema:
        """The alternative that is not null; the schema itself if there are none."""
        options = [self._at(one) for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ()))]
        return next((one for one in options if one.get("type") != "null"), schema)

    def _type(self, schema: Schema) -> str:
        """The type in words."""
        if choices := schema.get("enum") or schema.get("x-extensible-enum"):
            return "one of " + ", ".join(map(str, choices))
        options = [self._at(one) for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ()))]
        if options:
            return " or ".join(dict.fromkeys(self._type(one) for one in options))
        kind = schema.get("type", "object")
        if isinstance(kind, list):
            return " or ".join(kind)
        if kind == "array":
            return f"list of {self._type(self._at(schema.get('items', {})))}"
        names = {"uuid": "ID", "date-time": "time", "date": "day", "uri": "URL", "email": "email"}
        return names.get(str(schema.get("format")), str(kind))

    def _at(self, node: Schema) -> Schema:
        while "$ref" in node:
            place: Any = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                place = place[step]
            node = place
        return node


def _programs(method: str, path: str, body: Any) -> Iterable[tuple[str, str]]:
    """The call in three languages. COFFER holds the server's address and KEY the API key."""
    path = path.replace("{org_id}", "self")
    variables = re.findall(r"{(\w+)}", path)
    yield "curl", _curl(method, re.sub(r"{(\w+)}", lambda match: f"${match[1].upper()}", path), body)
    yield "Python", _python(method, path, body, variables)
    yield "Node", _node(method, re.sub(r"{(\w+)}", r"${\1}", path), body)


def _curl(method: str, path: str, body: Any) -> str:
    lines = ["curl" if method == "GET" else f"curl -X {method}"]
    lines[0] += f' "$COFFER{path}"'
    lines.append('-H "Authorization: Bearer $KEY"')
    if method == "POST":
        lines.append(f'-H "Idempotency-Key: {IDEMPOTENCY_KEY}"')
    if body is not None:
        quoted = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
        lines += ['-H "Content-Type: application/json"', f"-d '{quoted}'"]
    return " \\\n  ".join(lines)


def _python(method: str, path: str, body: Any, variables: list[str]) -> str:
    prefix = "f" if variables else ""
    headers = ['"Authorization": f"Bearer {KEY}"']
    if method == "POST":
        headers.append(f'"Idempotency-Key": "{IDEMPOTENCY_KEY}"')
    lines = [f"requests.{method.lower()}(", f'    COFFER + {prefix}"{path}",', f"    headers={{{', '.join(headers)}}},"]
    if body is not None:
        text = pprint.pformat(body, width=80, sort_dicts=False).replace("\n", "\n         ")
        lines.append(f"    json={text},")
    return "\n".join([*lines, ")"])


def _node(method: str, path: str, body: Any) -> str:
    headers = ["Authorization: `Bearer ${KEY}`"]
    if method == "POST":
        headers.append(f'"Idempotency-Key": "{IDEMPOTENCY_KEY}"')
    if body is not None:
        headers.append('"Content-Type": "application/json"')
    lines = [f"await fetch(`${{COFFER}}{path}`, {{"]
    if method != "GET":
        lines.append(f'  method: "{method}",')
    lines.append(f"  headers: {{ {', '.join(headers)} }},")
    if body is not None:
        text = json.dumps(body, indent=2, ensure_ascii=False).replace("\n", "\n  ")
        lines.append(f"  body: JSON.stringify({text}),")
    return "\n".join([*lines, "});"])
