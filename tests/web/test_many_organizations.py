"""Somebody in hundreds of organizations: pages show the last few, and `/orgs` finds the others."""

import re

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from dashboard.core.db import db, transaction
from dashboard.domain.organizations import user_organizations
from dashboard.domain.people import users
from dashboard.domain.platform import people
from tests.servers import Servers
from tests.web.people import Person, Team, ready_team

MANY = 120
# What `organizations.make_team` writes, apart from the audit log.
ORGS = """WITH n AS (SELECT i, gen_random_uuid() AS id FROM generate_series(1, :many) AS i), org AS (
  INSERT INTO organizations (id, name, slug, timezone, kind, funding, return_hosts, created_at)
  SELECT id, 'Customer ' || lpad(i::text, 4, '0'), 'customer-' || i, 'UTC', 'team', 'platform', '{}', now() FROM n
), directory AS (INSERT INTO org_directory (org_id, slug) SELECT id, 'customer-' || i FROM n), wallet AS (
  INSERT INTO wallets (org_id, id, created_at, mode, unit, balance, held, seq, overdraft_limit, settled_seq, sealed_seq)
  SELECT n.id, gen_random_uuid(), now(), mode, 'usd', 0, 0, 0, 0, 0, 0 FROM n, unnest('{test,live}'::text[]) AS mode
)
INSERT INTO memberships (org_id, id, created_at, user_id, role, last_seen_at)
SELECT id, gen_random_uuid(), now(), :user, 'member', now() - i * interval '1 hour' FROM n"""


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


@pytest.fixture
def consultant(app: Flask, team: Team) -> Person:
    with app.app_context():
        user = users.by_email(team.member.email)
        assert user
        with db.engine.connect() as connection:
            connection.execute(text(ORGS), {"many": MANY, "user": user.id})
    return team.member


def names(page: str) -> list[str]:
    return re.findall(r"<h2><a[^>]*>([^<]+)</a></h2>", page)


def test_every_page_shows_the_organizations_one_was_in_last(consultant: Person, team: Team) -> None:
    page = consultant.get(f"/o/{team.slug}/keys").text
    shown = re.findall(r"Customer (\d{4})<small>", page)
    assert shown == [f"{number:04}" for number in range(1, len(shown) + 1)]
    assert user_organizations.SWITCHER - 1 <= len(shown) <= user_organizations.SWITCHER
    assert '<a href="/orgs">All organizations</a>' in page


def test_all_of_them_are_paged_and_searched(consultant: Person) -> None:
    found, where, pages = [], "/orgs", 0
    while where:
        page = consultant.get(where).text
        found += names(page)
        nexts = re.findall(r'href="([^"]+)">Next page', page)
        where, pages = (nexts[0].replace("&amp;", "&") if nexts else ""), pages + 1
        assert pages < 9
    assert len(found) == len(set(found)) == MANY + 2
    assert found[:-1] == sorted(found[:-1])  # teams by name, then the personal one
    assert pages == 1 + (MANY + 1) // user_organizations.PAGE
    assert names(consultant.get("/orgs?q=customer+0117").text) == ["Customer 0117"]
    assert names(consultant.get("/orgs?q=0117", htmx=True).text) == ["Customer 0117"]
    assert "No organization of yours has this name" in consultant.get("/orgs?q=%25").text
    for odd in ("q=%00", "cursor=x", "q=%ff", "cursor="):
        assert consultant.get(f"/orgs?{odd}").status_code == 200


READ = text("""SELECT sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))
FROM pg_class WHERE relname IN ('memberships', 'ix_memberships_recent', 'ix_memberships_user_id', 'organizations')""")
"""How many rows and index entries this transaction has read, by whatever plan."""


def test_a_page_reads_about_as_many_rows_as_it_shows(app: Flask, servers: Servers, consultant: Person) -> None:
    with psycopg.connect(servers.database_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE memberships, organizations")
    with app.app_context():
        user = users.by_email(consultant.email)
        assert user
        with transaction():
            before = db.session.scalar(READ)
            assert len(user_organizations.recent(user.id)) == user_organizations.SWITCHER
            assert db.session.scalar(READ) - before <= 8 * user_organizations.SWITCHER


def test_a_manager_sees_the_first_and_how_many_follow(app: Flask, consultant: Person, team: Team) -> None:
    with app.app_context():
        user = users.by_email(consultant.email)
        assert user
    own, listed, shown = MANY + 2, people.IN_LIST, people.ON_PAGE
    page = team.manager.get(f"/admin/users?q={consultant.email}").text
    assert page.count('<a href="/admin/orgs/') == listed
    assert f"and {own - listed} more" in page
    page = team.manager.get(f"/admin/users/{user.id}").text
    assert page.count("<small>customer-") == shown - 2  # the personal one and the team come first
    assert f"And {own - shown} more" in page
