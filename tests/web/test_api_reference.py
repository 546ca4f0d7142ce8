"""The API reference: every call on one page, every error at its anchor, and programs that can be parsed."""

import ast
import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from flask import Flask

from dashboard.api import errors, reference
from dashboard.api.docs import PUBLIC, STAFF
from dashboard.api.reference import Group
from tests.servers import Servers
from tests.web.people import Team, ready_team

GUIDE = "/api/v1/docs"


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


@pytest.fixture
def groups(app: Flask) -> tuple[Group, ...]:
    return tuple(group for name in (PUBLIC, STAFF) for group in reference.groups(app.extensions[name]))


def test_every_call_is_on_its_groups_page(team: Team, groups: tuple[Group, ...], app: Flask) -> None:
    paths = app.extensions[PUBLIC]["paths"] | app.extensions[STAFF]["paths"]
    calls = [call for group in groups for call in group.calls]
    assert sorted((call.path, call.method.lower()) for call in calls) == sorted(
        (path, method) for path, methods in paths.items() for method in methods
    )
    for group in groups:
        page = team.owner.get(f"{GUIDE}/{group.slug}").text
        for call in group.calls:
            assert f'id="{call.id}"' in page
            assert html.escape(call.path) in page
        assert not re.search(r"\sstyle=|\son\w+=|(src|href)=\"https?://", page)
    assert team.owner.get(f"{GUIDE}/nothing").status_code == 404


def test_every_error_code_is_an_anchor(team: Team) -> None:
    page = team.owner.get(GUIDE).text
    for one in errors.reference():
        assert f'id="{one.code}"' in page


def test_a_signed_in_reader_sees_their_organizations_id(team: Team, app: Flask) -> None:
    team.owner.get(f"/o/{team.slug}/")
    assert str(team.org_id) in team.owner.get(GUIDE).text
    assert str(team.org_id) not in app.test_client().get(GUIDE).get_data(as_text=True)


def test_the_programs_can_be_parsed(groups: tuple[Group, ...], tmp_path: Path) -> None:
    programs = [dict(call.examples) for group in groups for call in group.calls]
    for one in programs:
        ast.parse(one["Python"])
    script = tmp_path / "calls.mjs"
    script.write_text("\n".join(one["Node"] for one in programs))
    if node := shutil.which("node"):
        subprocess.run([node, "--check", script], check=True)
