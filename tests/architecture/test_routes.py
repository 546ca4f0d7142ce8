"""The route matrix: every route, every caller, own, foreign and absent ids, with and without the form's token."""

import re

from flask import Flask
from flask.testing import FlaskClient

from dashboard import api
from tests.architecture.matrix import CALLS, PAGES, PEOPLE, PROGRAMS
from tests.architecture.tenants import Tenants, call, fresh, path_of

UNTOLD = {"HEAD", "OPTIONS"}
USED_UP = ("POST /o/<slug>/keys/<uuid:key_id>", "POST /o/<slug>/members/", "POST /o/<slug>/limits/")
"""What a good call ends, so that the next caller needs another."""


def lines(app: Flask) -> set[str]:
    return {f"{method} {rule.rule}" for rule in app.url_map.iter_rules() for method in (rule.methods or set()) - UNTOLD}


def submit(client: FlaskClient, path: str, token: str = "") -> int:
    return client.post(path, data={"csrf_token": token} if token else {}).status_code


def test_every_route_has_a_line_and_every_line_a_route(app: Flask) -> None:
    assert set(PAGES) | set(CALLS) == lines(app)
    assert not set(PAGES) & set(CALLS)


def test_pages_answer_each_person_as_the_matrix_says(tenants: Tenants) -> None:
    wrong = []
    for line, expected in PAGES.items():
        method = line.partition(" ")[0]
        if line in ("POST /logout", "POST /invite/<invite>/switch"):
            continue  # they sign out
        for caller, status in zip(PEOPLE, expected, strict=True):
            (client, token), path = tenants.browser(caller), path_of(line, tenants.own)
            if line.startswith(USED_UP) or "retry" in line:
                path = path_of(line, fresh(tenants))
            if method == "POST" and "invite" in line:
                path = path_of(line, tenants.own | tenants.invite(tenants.org))
            got = submit(client, path, token) if method == "POST" else client.get(path).status_code
            if got != status:
                wrong.append(f"{line} as {caller}: {got}, not {status}")
    assert not wrong, "\n".join(wrong)
    for caller in set(PEOPLE) - {"anonymous"}:
        client, token = tenants.browser(caller)
        assert submit(client, "/styleguide/form", token) != 403, f"the token of {caller} ended on the way"


def test_asking_for_the_head_of_a_form_is_no_submit(tenants: Tenants) -> None:
    """HEAD carries no token, so that it must do what GET does: show the form."""
    fields = {"amount": "1", "category": "goodwill", "reason": "x", "confirm": "1", "email": "x", "password": "y"}
    for line in PAGES:
        if line.startswith("POST ") and f"GET {line[5:]}" in PAGES:
            path = path_of(line, tenants.own)
            for client in (tenants.app.test_client(), tenants.team.manager.client):
                asked, shown = client.head(path, data=fields), client.get(path)
                assert asked.status_code == shown.status_code, line
                assert asked.location == shown.location, line


def test_foreign_and_absent_are_the_same_to_people(tenants: Tenants) -> None:
    """Also under one's own organization: another's ids lead nowhere."""
    for line in PAGES:
        if "<slug>" not in line or "<uuid" not in line:
            continue
        method = line.partition(" ")[0]
        mixed = tenants.foreign | {"slug": tenants.own["slug"]}
        nothing = tenants.absent | {"slug": tenants.own["slug"]}
        for things in (tenants.foreign, mixed, nothing):
            (client, token), path = tenants.browser("owner"), path_of(line, things)
            got = submit(client, path, token) if method == "POST" else client.get(path).status_code
            assert got == 404, f"{line} {path}"


def test_calls_answer_each_program_as_the_matrix_says(tenants: Tenants) -> None:
    wrong = []
    for line, expected in CALLS.items():
        for caller, status in zip(PROGRAMS, expected, strict=True):
            things = (
                fresh(tenants)
                if line.startswith("DELETE") and ("/members/" in line or "/limits/" in line)
                else tenants.own
            )
            got = call(tenants, line, things, caller)[0]
            if got != status:
                wrong.append(f"{line} as {caller}: {got}, not {status}")
    assert not wrong, "\n".join(wrong)


def test_foreign_and_absent_are_the_same_to_programs(tenants: Tenants) -> None:
    for line in CALLS:
        if "/orgs/<org:org_id>" in line:
            for caller in ("full", "owner"):
                foreign, absent = (call(tenants, line, things, caller) for things in (tenants.foreign, tenants.absent))
                assert foreign[0] == absent[0] == 404, line
                assert foreign[1] == absent[1], line
    charge = {"operation": "charge", "amount_micros": 1}
    path, bearer = path_of("POST /api/v1/orgs/<org:org_id>/wallet", tenants.foreign), tenants.tokens["full"]
    headers = {"Authorization": f"Bearer {bearer}"}
    assert tenants.app.test_client().post(path, json=charge, headers=headers).status_code == 404


def test_every_call_takes_an_organization_by_its_id_by_self_and_by_its_external_key(tenants: Tenants) -> None:
    assert not [line for line in CALLS if "<uuid:org_id>" in line]
    by_key = {"org_id": f"ext:{tenants.own['external_key']}"}
    for line in CALLS:
        if line.startswith("GET") and "<org:" in line:
            for caller in PROGRAMS:
                by_id = call(tenants, line, tenants.own, caller)[0]
                assert call(tenants, line, tenants.own | by_key, caller)[0] == by_id, f"{line} as {caller}"
            if "/admin/" not in line:
                own, by_id = (call(tenants, line, tenants.own | names, "full")[0] for names in ({"org_id": "self"}, {}))
                assert own == by_id, line


def test_foreign_and_absent_external_keys_are_the_same_to_programs(tenants: Tenants) -> None:
    for line in CALLS:
        if "/orgs/<org:org_id>" in line:
            for caller in ("full", "stranger"):
                foreign = call(
                    tenants, line, tenants.foreign | {"org_id": f"ext:{tenants.foreign['external_key']}"}, caller
                )
                absent = call(tenants, line, tenants.absent | {"org_id": "ext:nobody"}, caller)
                assert foreign[0] == absent[0] == 404, f"{line} as {caller}"
                assert foreign[1] == absent[1], line


def test_the_api_takes_no_cookie(tenants: Tenants) -> None:
    for line in CALLS:
        if CALLS[line][0] == 401 and line.startswith("GET"):
            assert tenants.team.owner.client.get(path_of(line, tenants.own)).status_code == 401, line


def test_wrong_methods_are_refused(tenants: Tenants) -> None:
    known = lines(tenants.app)
    for line in sorted(known):
        method, _, rule = line.partition(" ")
        for other in ("PUT", "DELETE", "PATCH"):
            if f"{other} {rule}" not in known and method == "GET" and "<path:filename>" not in rule:
                client = tenants.team.owner.client
                assert client.open(path_of(line, tenants.own), method=other).status_code in (403, 404, 405), line


def test_pages_are_never_kept_and_always_protected(tenants: Tenants) -> None:
    for line in PAGES:
        if line.startswith("GET ") and not re.search("static|/account/zones", line):
            answer = tenants.team.manager.client.get(path_of(line, tenants.own))
            assert answer.headers["Cache-Control"] == "no-store", line
            assert answer.headers["X-Content-Type-Options"] == "nosniff", line
            if answer.mimetype == "text/html" or not api.serves(line.partition(" ")[2]):
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"], line
