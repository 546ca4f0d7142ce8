"""Exported files: whole, safe in a spreadsheet, and only a few at once."""

import csv
import io
from contextlib import ExitStack

import pytest
from flask import Flask

from dashboard.core.db import db
from dashboard.models import AuditEntry
from dashboard.web import csv_lines, exports
from tests.each import each
from tests.servers import Servers
from tests.web.people import Team, ready_team

FILES = ("transactions.csv", "payments.csv", "audit.csv")


@pytest.fixture
def team(app: Flask, servers: Servers) -> Team:
    return ready_team(app, servers)


def exported(app: Flask) -> int:
    with app.app_context():
        return db.session.query(AuditEntry).filter(AuditEntry.action.endswith(".exported")).count()


def test_only_a_few_files_are_made_at_once(app: Flask, team: Team) -> None:
    with ExitStack() as others:
        for _ in range(exports.AT_ONCE):
            others.enter_context(exports.Turn())
        for file in FILES:
            refused = team.viewer.get(f"/o/{team.slug}/{file}?from=2026-11-20")
            assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
            assert "Other files are being made" in refused.text
        assert team.manager.get("/admin/audit.csv").status_code == 429
        assert exported(app) == 0, "what was refused is not recorded as exported"
        assert team.viewer.get(f"/o/{team.slug}/transactions").status_code == 200
    assert team.viewer.get(f"/o/{team.slug}/audit.csv").status_code == 200


def test_a_file_holds_its_place_until_it_is_read_or_given_up(team: Team) -> None:
    answer = team.owner.client.get(f"/o/{team.slug}/audit.csv")
    assert next(answer.iter_encoded())
    assert len(exports._open) == 1
    answer.close()
    assert len(exports._open) == 0


def test_whatever_ends_without_a_file_keeps_no_place(team: Team) -> None:
    for _ in range(2 * exports.AT_ONCE):
        assert team.owner.client.head(f"/o/{team.slug}/audit.csv").status_code == 200
        assert team.owner.get(f"/o/{team.slug}/audit.csv?group=x").status_code == 422
        assert team.owner.get(f"/o/{team.slug}/audit.csv").status_code == 200
    assert len(exports._open) == 0


@each(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"), ("\t=1", "\t'=1"), ("a\r\n+1", "a\r\n'+1"), ("a\t\t-1", "a\t\t'-1"), (" \t @x", " \t '@x"),
        ("；＝1", "；＝1"), ("a;＋1", "a;'＋1"), ("a;;=1", "a;;'=1"), ("1-1", "1-1"), ("a = b", "a = b"),
        ('say "=1"', 'say "=1"'), ('a;"=1;', 'a;"\'=1;'), ('a; "" @x', 'a; "" \'@x'), ("", ""), (None, ""),
    ],
)  # fmt: skip
def test_no_cell_begins_with_a_formula_whatever_the_separator(text: str | None, written: str) -> None:
    assert csv_lines.text(text) == written
    line = csv_lines.line([csv_lines.text(text), "x"])
    assert next(csv.reader(io.StringIO(line, newline=""))) == [written, "x"]
    assert line.startswith('"')
    elsewhere = csv.reader(io.StringIO(line, newline=""), delimiter=";")
    assert not any(cell.lstrip().startswith(tuple("=+-@＝＋－＠")) for row in elsewhere for cell in row)
