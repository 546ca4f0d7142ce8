"""The OpenAPI document is valid, names every route, and tells the truth about what answers."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard import api
from dashboard.domain.access.permissions import SCOPES, SERVICE_SCOPES
from tests import factories
from tests.api.conftest import Program

DOCUMENTS = ("/api/v1/openapi.json", "/admin/api/v1/openapi.json")
UNDESCRIBED = {
    *DOCUMENTS, "/api/v1/docs", "/api/v1/docs/<group>", "/healthz", "/readyz", "/metrics",
    "/api/v1/orgs/by-external-key/<key>",  # answers as before, beside `GET /orgs?external_key=` and `ext:`
}  # fmt: skip
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
CREDENTIALS = {"orgKey", "serviceKey", "personalToken", "endUser"}
NULL_CLEARS = {"external_key", "billing_email", "billing_address", "tax_id"}
"""In a request, null clears them; left out, they stay."""


def documents(program: Program) -> list[dict[str, Any]]:
    """The customers' document, and the one of the platform's staff."""
    found = []
    for path in DOCUMENTS:
        response = program.get(path)
        assert (response.status_code, response.content_type) == (200, "application/json")
        found.append(response.get_json())
    return found


def document(program: Program) -> dict[str, Any]:
    return documents(program)[0]


def operations(found: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, one) for path, each in found["paths"].items() for method, one in each.items()]


def every_operation(program: Program) -> list[tuple[str, str, dict[str, Any]]]:
    return [one for found in documents(program) for one in operations(found)]


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    if isinstance(node, dict):
        yield node
    for one in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(one)


def test_every_route_is_in_a_document_and_the_reverse(program: Program) -> None:
    served = {
        (re.sub(r"<([^<:]+:)?", "{", rule.rule).replace(">", "}"), method.lower())
        for rule in program.app.url_map.iter_rules()
        for method in (rule.methods or set()) & METHODS
        if api.serves(rule.rule) and rule.rule not in UNDESCRIBED
    }
    described = [(path, method) for path, method, _ in every_operation(program)]
    described += [(each["x-path"], "post") for one in documents(program) for each in one["webhooks"].values()]
    assert served == set(described)
    assert len(described) == len(served) > 20
    for found, prefix in zip(documents(program), ("/api/v1/", "/admin/api/v1/"), strict=True):
        assert all(path.startswith(prefix) for path in found["paths"])


def test_the_documents_are_well_formed(program: Program) -> None:
    for found in documents(program):
        assert found["openapi"].startswith("3.1.")
        assert found["info"].keys() >= {"title", "version", "description", "license"}
        assert found["servers"]
        assert found["components"]["securitySchemes"].keys() == CREDENTIALS
        assert [one["name"] for one in found["tags"]] == list(dict.fromkeys(one["name"] for one in found["tags"]))
        assert all(one["description"] for one in found["tags"])
        assert {one["tags"][0] for _, _, one in operations(found)} == {one["name"] for one in found["tags"]}
    names = [one["operationId"] for _, _, one in every_operation(program)]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name)] == []


def test_every_call_says_who_may_make_it_and_what_it_answers(program: Program) -> None:
    for path, method, one in every_operation(program):
        declared = {each["name"] for each in one.get("parameters", []) if each["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path)), path
        assert all(each.get("required") for each in one.get("parameters", []) if each["in"] == "path")
        assert one["summary"], path
        assert set(one["responses"]) & {"200", "201", "204"}, (path, method)
        assert bool(one["security"]) == (path != "/api/v1/invites/peek"), path
        assert {name for each in one["security"] for name in each} <= CREDENTIALS
        assert set(one["x-scopes"]) <= SCOPES | SERVICE_SCOPES
        assert all(f"`{scope}`" in one["description"].splitlines()[-1] for scope in one["x-scopes"]), path
        has_body = "requestBody" in one
        assert has_body == (method in ("post", "put", "patch") and not path.endswith("/resend"))
        assert {"400", "413", "415"} & one["responses"].keys() == ({"400", "413", "415"} if has_body else set()), path
        for status, answer in one["responses"].items():
            assert "$ref" in answer or (answer["description"] and "X-Request-Id" in answer["headers"]), (path, status)


def test_generators_can_read_every_type(program: Program) -> None:
    for found in documents(program):
        assert [one for one in nodes(found) if one.get("type") == "integer" and "format" not in one] == []
        assert [one for one in nodes(found) if isinstance(one.get("minimum"), float)] == []
        assert "<br" not in json.dumps(found)
        for path, _, one in operations(found):
            for parameter in one.get("parameters", []):
                assert {"type": "null"} not in parameter["schema"].get("anyOf", []), (path, parameter["name"])
        both = {
            (name, field)
            for name, schema in found["components"]["schemas"].items()
            for field, each in schema.get("properties", {}).items()
            if {"type": "null"} in each.get("anyOf", []) and field not in schema.get("required", [])
        }
        assert {field for _, field in both} <= NULL_CLEARS, "optional or nullable, not both"


def test_every_field_and_parameter_has_a_sentence(program: Program) -> None:
    for found in documents(program):
        schemas = found["components"]["schemas"]
        said = {f"{title}.{name}": each for title, one in schemas.items() for name, each in one["properties"].items()}
        assert [name for name, each in said.items() if not each.get("description")] == []
        assert [title for title, one in schemas.items() if not one.get("description")] == []
        for path, method, one in operations(found):
            for parameter in one.get("parameters", []):
                assert parameter.get("description"), (method, path, parameter["name"])
    assert len(said) > 100


def test_every_reference_leads_somewhere_and_every_schema_is_one(program: Program) -> None:
    for found in documents(program):
        for reference in [one["$ref"] for one in nodes(found) if "$ref" in one]:
            _, components, kind, name = reference.split("/")
            assert name in found[components][kind], reference
        for schema in found["components"]["schemas"].values():
            jsonschema.Draft202012Validator.check_schema(schema)


def test_every_post_names_its_key(program: Program) -> None:
    for path, method, one in every_operation(program):
        keyed = any(each["name"] == "Idempotency-Key" for each in one.get("parameters", []))
        assert keyed == (method == "post" and "/webhooks/" not in path), path


def test_answers_are_as_described(program: Program) -> None:
    public, staff = documents(program)
    org = program.org(funds=1_000_000)
    key, token = program.key(org, "wallet:read", "wallet:charge", "catalog:read"), program.manager_token()
    program.make(factories.make_pack)
    base = f"/api/v1/orgs/{org.id}"
    row = program.post(f"{base}/wallet", key, json={"operation": "charge", "amount_micros": 5}).get_json()
    calls = [
        ("/api/v1/orgs", "/api/v1/orgs", key), ("/api/v1/orgs/{org_id}/wallet", f"{base}/wallet", key),
        ("/api/v1/orgs/{org_id}/wallets", f"{base}/wallets", key),
        ("/api/v1/orgs/{org_id}/transactions", f"{base}/transactions", key),
        ("/api/v1/orgs/{org_id}/transactions/{id}", f"{base}/transactions/{row['transaction']['id']}", key),
        ("/api/v1/orgs/{org_id}/grants", f"{base}/grants", key),
        ("/api/v1/orgs/{org_id}/products", f"{base}/products", key),
        *((f"/admin/api/v1/{noun}",) * 2 + (token,) for noun in ("transactions", "products", "orgs", "users")),
    ]  # fmt: skip
    for described, path, bearer in calls:
        response = program.get(path, bearer)
        assert response.status_code == 200, (path, response.get_data(as_text=True))
        found = staff if path.startswith("/admin/") else public
        schema = found["paths"][described]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(response.get_json(), {**schema, "components": found["components"]})
    problem = program.get(f"{base}/nothing", key).get_json()
    jsonschema.validate(problem, {"$ref": "#/components/schemas/Problem", "components": public["components"]})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["deposit", "charge", "admin_grant", "usd", "1e3", "\x00", "\ud800", 10**18, -1, 0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@pytest.mark.slow
def test_no_body_and_no_query_brings_it_down(program: Program) -> None:
    org, token = program.org(funds=1_000_000), program.manager_token()
    key = program.key(org, "wallet:read", "wallet:charge", "wallet:deposit", "checkout:create", "catalog:read")
    program.app.config["PROPAGATE_EXCEPTIONS"] = False
    schemas = {name: one for found in documents(program) for name, one in found["components"]["schemas"].items()}
    targets = []
    for path, method, one in every_operation(program):
        body = one.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        names = sorted(schemas.get(body.get("$ref", "").rpartition("/")[2], {}).get("properties", {}))
        queries = [each["name"] for each in one.get("parameters", []) if each["in"] == "query"]
        targets.append((path.replace("{org_id}", str(org.id)), method, names, queries))

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def fuzz(data: st.DataObject) -> None:
        path, method, names, queries = data.draw(st.sampled_from(targets))
        path = re.sub(r"{\w+}", lambda _: data.draw(st.sampled_from([str(org.id), "x", "%00", "..", "-1"])), path)
        fields = st.sampled_from(names) if names else st.text(max_size=5)
        body = data.draw(st.dictionaries(fields, VALUES, max_size=6) | VALUES)
        texts = st.text(max_size=10) | st.sampled_from(["\x00", "1", "-1", "9" * 30, "2026-11-20", "charge"])
        query = data.draw(st.dictionaries(st.sampled_from(queries), texts, max_size=3)) if queries else {}
        query = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
        bearer = token if path.startswith("/admin") else key
        raw = json.dumps(body).encode()
        sent: dict[str, Any] = {"data": raw, "content_type": "application/json"} if method in ("post", "patch") else {}
        response = program.call(method.upper(), path, bearer, query_string=query, **sent)
        assert response.status_code < 500, (method, path, query, raw, response.get_data(as_text=True))
        if response.status_code >= 400:
            assert response.content_type == "application/problem+json"

    fuzz()
