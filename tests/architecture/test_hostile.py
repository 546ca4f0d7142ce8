"""What no route may be talked into: other people's tokens, other verbs, fields that are not its own, other hosts."""

import re
from itertools import cycle
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask

from dashboard import api
from dashboard.core.db import db
from dashboard.domain.people import users
from dashboard.models import Membership, User, Wallet
from tests.architecture.bodies import body_of
from tests.architecture.matrix import CALLS, PAGES
from tests.architecture.tenants import Tenants, call, path_of
from tests.factories import PASSWORD
from tests.web.people import HTMX, make_team, token_in

pytestmark = pytest.mark.slow
FORMS = [line for line in PAGES if line.startswith("POST ")]


def state(tenants: Tenants) -> list[tuple[Any, ...]]:
    """What somebody could want to change: roles, rights, money."""
    with tenants.app.app_context():
        tables = (
            (Membership.user_id, Membership.role),
            (User.id, User.platform_role, User.email),
            (Wallet.id, Wallet.seq),
        )
        return [tuple(row) for columns in tables for row in db.session.query(*columns).order_by(*columns)]


def test_a_forms_token_counts_in_its_form_and_its_session_alone(tenants: Tenants) -> None:
    tenants.app.config["WTF_CSRF_ENABLED"] = True
    mine, own, theirs = tenants.team.owner.client, tenants.team.owner.token, tenants.team.manager.token
    for line in FORMS:
        path = path_of(line, tenants.own)
        tries: list[dict[str, Any]] = [
            {"data": {"csrf_token": theirs}},
            {"query_string": {"csrf_token": own}},
            {"json": {"csrf_token": own}},
            {"data": f"csrf_token={own}", "content_type": "text/plain"},
            {"data": {}, "headers": HTMX},
            {"data": {"csrf_token": ""}, "headers": {"Origin": "https://evil.example"}},
            {},
        ]
        for sent in tries:
            answer = mine.post(path, **sent)
            assert answer.status_code == 403, f"{line} {sent}"
        assert tenants.app.test_client().post(path).status_code == 403, f"{line} as nobody"


def test_no_header_and_no_field_makes_another_verb_of_a_request(tenants: Tenants) -> None:
    before = state(tenants)
    for line in FORMS:
        path = path_of(line, tenants.own)
        for client in (tenants.team.owner.client, tenants.team.manager.client):
            asked = client.get(path)
            headers = dict.fromkeys(("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"), "POST")
            fooled = client.get(path, headers=headers, query_string={"_method": "POST"})
            assert fooled.status_code == asked.status_code, line
    assert state(tenants) == before


def test_odd_verbs_are_refused(tenants: Tenants) -> None:
    for line, verb in zip([*PAGES, *CALLS], cycle(("TRACE", "TRACK", "PROPFIND")), strict=False):
        status = tenants.team.owner.client.open(path_of(line, tenants.own), method=verb).status_code
        assert status in (401, 403, 404, 405), f"{verb} {line}: {status}"


EXTRA = {
    "id": "00000000-0000-7000-8000-000000000001", "balance": 1, "wallet_balance": 10**9, "platform_role": "manager",
    "is_manager": True, "created_by": "x", "__proto__": {}, "constructor": {}, "secret_hash": "x", "revoked_at": None,
}  # fmt: skip


def test_a_call_takes_no_field_that_is_not_its_own(tenants: Tenants) -> None:
    asked = 0
    for line in CALLS:
        body = body_of(line, str(tenants.own["org_id"]), str(tenants.own["id"]))
        if line.split()[0] not in ("POST", "PATCH", "PUT") or "webhooks" in line or line.endswith("/resend"):
            continue
        for name, value in EXTRA.items():
            token = tenants.tokens["manager" if "/admin/" in line else "owner"]
            answer = tenants.app.test_client().open(
                path_of(line, tenants.own), method=line.split()[0], json=body | {name: value},
                headers={"Authorization": f"Bearer {token}"},
            )  # fmt: skip
            told = answer.get_json()
            assert answer.status_code == 422, f"{line} {name}: {answer.status_code} {told}"
            assert name in [one["field"] for one in told["errors"]], f"{line} {name}: {told}"
            asked += 1
    assert asked >= 60


def test_a_query_takes_no_name_that_is_not_its_own(tenants: Tenants) -> None:
    for line in CALLS:
        if line.startswith("GET ") and CALLS[line][0] == 401 and CALLS[line][-1] == 200:
            token = tenants.tokens["manager"]
            headers = {"Authorization": f"Bearer {token}"}
            path = path_of(line, tenants.own)
            answer = tenants.app.test_client().get(
                path, query_string={"org_id": "x", "sort": "balance"}, headers=headers
            )
            plain = call(tenants, line, tenants.own, "manager")
            assert answer.status_code in (422, plain[0]), line
            assert answer.status_code == 422 or answer.get_json().keys() >= plain[1].keys(), line


POWERS = {
    "role": "owner", "platform_role": "platform_manager", "is_manager": "1", "balance": "1000000", "org_id": "x",
    "user_id": "x", "email_verified_at": "2026-01-01", "overdraft_limit": "9", "funding": "own", "suspended_at": "",
    "password_hash": "x", "totp_secret": "x", "id": "x",
}  # fmt: skip


THEIR_OWN = (
    "POST /orgs",  # the person who creates an organization owns it
    "POST /signup", "POST /invite/<invite>/signup", "POST /invite/<invite>/switch", "POST /logout",
)  # fmt: skip
"""What anyone may make or end for themselves."""


def test_a_form_gives_no_power_that_it_does_not_show(tenants: Tenants) -> None:
    """Every form of the product, sent by a member with all fields that one could wish for."""
    before = state(tenants)
    for line in FORMS:
        if line not in THEIR_OWN:
            client = tenants.team.member.client  # what an earlier form did may have renewed its token
            token = token_in(client.get("/no-organization").text)
            client.post(path_of(line, tenants.own), data=POWERS | {"csrf_token": token, "name": "Member Person"})
    assert state(tenants) == before


def test_signing_up_makes_a_standard_person(app: Flask) -> None:
    client = app.test_client()
    form = {
        "name": "Eve",
        "email": "eve@example.test",
        "password": PASSWORD,
        "csrf_token": token_in(client.get("/signup").text),
    }
    client.post("/signup", data=POWERS | form)
    with app.app_context():
        user = users.by_email("eve@example.test")
        if user is not None:  # or it is made by the link in the mail
            assert (user.platform_role, user.totp_secret) == ("standard", None)
            own = users.personal_organization(user.id)
            assert own is None or own.funding == "platform"


HOSTS = ["evil.example", "evil.example:80", "user@evil.example", "[::1]", "127.0.0.1.evil.example", "2130706433"]
ELSEWHERE = [
    *(f"{begin}{host}" for host in HOSTS for begin in (
        "http://", "https://", "//", "///", "////", "/\\", "\\\\", "\\/", "https:", "https:/", "http:\\\\", "//\\",
    )),
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "data:text/html,x", "vbscript:x", "file:///x",
    "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example",
    "/\r\nLocation: https://evil.example",
    "%2f%2fevil.example", "/%09/evil.example", "/%5cevil.example", "/%2fevil.example", "/.//evil.example",
    "/..//evil.example", "/o/../..//evil.example", "\u2024//evil.example", "\uff0f\uff0fevil.example",
    "/\u2028/evil.example",
    "?next=https://evil.example", "#//evil.example", "@evil.example", ".evil.example", ";//evil.example",
]  # fmt: skip
"""Ways of writing another host, for clients that follow a redirect."""


def followed(location: str) -> str:
    """The host that a browser would ask: it drops tabs and line ends, and reads a backslash as a slash."""
    cleaned = re.sub(r"[\t\r\n]", "", location).strip().replace("\\", "/")
    return urlsplit(urljoin("http://localhost/login", cleaned)).netloc


def test_next_leads_to_our_own_pages_alone(app: Flask) -> None:
    assert len(ELSEWHERE) >= 60
    team = make_team(app)
    for target in ELSEWHERE:
        for headers in ({}, HTMX):
            answer = team.owner.client.get("/login", query_string={"next": target}, headers=headers)
            location = answer.headers.get("Location") or answer.headers.get("HX-Redirect") or "/"
            assert followed(location) == "localhost", (target, location)
            assert location.startswith("/"), (target, location)
            assert not location.startswith(("//", "/\\")), (target, location)


def test_a_payer_is_sent_back_to_listed_hosts_alone(tenants: Tenants) -> None:
    line = "POST /api/v1/orgs/<org:org_id>/checkout"
    good = body_of(line, str(tenants.own["org_id"]), str(tenants.own["id"]))
    for target in ELSEWHERE:
        for name in ("success_url", "cancel_url"):
            answer = tenants.app.test_client().post(
                path_of(line, tenants.own), json=good | {name: target},
                headers={"Authorization": f"Bearer {tenants.tokens['owner']}"},
            )  # fmt: skip
            assert answer.status_code == 422, (name, target)


def test_a_forged_host_is_never_led_to(tenants: Tenants) -> None:
    for line in PAGES:
        for host in ("attacker.example", "localhost:80@attacker.example"):
            if line.startswith("GET "):
                answer = tenants.team.owner.client.get(
                    path_of(line, tenants.own), headers={"Host": host}, buffered=True
                )
                assert "attacker" not in answer.headers.get("Location", ""), line
                assert b"attacker" not in answer.data, line


def test_every_answer_says_what_a_browser_may_do_with_it(tenants: Tenants) -> None:
    """Pages, refusals and files alike; what the API answers is no page."""
    answers = [
        (line, client.get(path_of(line, tenants.own), buffered=True))
        for line in [*PAGES, *CALLS]
        if line.startswith("GET ")
        for client in (tenants.app.test_client(), tenants.team.manager.client)
    ]
    for line, answer in answers:
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff", line
        assert "Access-Control-Allow-Origin" not in headers, line
        assert not {"Server", "X-Powered-By"} & set(headers.keys()), line
        if not re.search("static|/account/zones", line):
            assert headers["Cache-Control"] == "no-store", line
        if api.serves(line.partition(" ")[2]) and answer.mimetype != "text/html":
            assert "Content-Security-Policy" not in headers, line
            continue
        policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'", line
        assert policy["base-uri"] == "'none'", line
        if line != "GET /dev/mail/<uuid:org_id>/<uuid:mail_id>/html":
            assert policy["frame-ancestors"] == "'none'", line
            assert policy["object-src"] == "'none'", line
            assert "unsafe" not in headers["Content-Security-Policy"], line
        assert headers["Referrer-Policy"] == "same-origin", line
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", line
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin", line
        assert "camera=()" in headers["Permissions-Policy"], line
        if "static" not in line:
            assert "HX-Request" in headers["Vary"], line
        if answer.get_data() and not headers["Content-Type"].startswith(("image/", "application/")):
            assert "charset=utf-8" in headers["Content-Type"].lower(), line
