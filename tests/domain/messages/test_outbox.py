"""The outbox: a mail is owed with what it tells of, sent to a real server, and never lost between the two."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from dashboard.core import clock, ids, queue
from dashboard.core.db import autocommit, db, transaction
from dashboard.core.errors import Conflict, Invalid
from dashboard.domain.audit import SYSTEM
from dashboard.domain.messages import outbox
from dashboard.domain.payments.receipts import receipts
from dashboard.models import AuditEntry, OutboxEmail
from tests.each import each
from tests.factories import make_org
from tests.mailbox import Mailbox, mailbox

SENDER = "Coffer Billing <billing@coffer.test>"
FACTS = {
    "payment_id": "019a3c1e-2b7d-7c11-9a44-0a51c3d27f2e", "org": "Acme", "payer": "Ada Example",
    "payer_email": "ada@example.test", "pack": "Team", "quantity": 2, "unit_price": "$100.00", "price": "$200.00",
    "discount": "", "promotion_code": "", "tax": "", "paid": "$200.00", "credits": "$210.00", "bonus": "$10.00",
    "paid_at": "20 November 2026, 09:41 UTC", "test": False, "link": "",
}  # fmt: skip


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as made:
        yield made


@pytest.fixture
def mailing(box: Mailbox, configured: Any) -> Iterator[Flask]:
    """The application with that server in its settings."""
    made = configured(smtp={"url": box.url, "from": SENDER})
    with made.app_context():
        yield made


def owe(key: str = "receipt:1", *, to: str = "ada@example.test", org_id: UUID | None = None, **more: Any) -> UUID:
    org_id = org_id or make_org().id
    with transaction(org=org_id):
        outbox.send(org_id, key=key, event="receipt", to=to, context={**FACTS, **more})
    return org_id


def drain(org_id: UUID) -> bool:
    return outbox.drain(org_id, attach=receipts.ATTACH)


def row_of(org_id: UUID, key: str = "receipt:1") -> OutboxEmail:
    db.session.expire_all()
    row = outbox.owed(org_id, key)
    assert row
    return row


def make_due() -> None:
    autocommit().execute(text("UPDATE outbox_emails SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL"))


def test_a_mail_is_delivered_once_with_text_html_and_file(mailing: Flask, box: Mailbox) -> None:
    org_id = owe()
    assert outbox.due() == [org_id]
    drain(org_id)
    drain(org_id)
    (letter,) = box.letters
    row = row_of(org_id)
    assert (row.state, row.attempts, row.error) == ("sent", 1, None)
    assert row.sent_at
    assert outbox.due() == []
    assert letter["Message-ID"] == f"<{row.id}@coffer.test>"
    assert (letter["From"], letter["To"]) == (SENDER, "ada@example.test")
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Date"].datetime.tzinfo
    assert box.envelopes == [("billing@coffer.test", ["ada@example.test"])]
    assert [part.get_content_type() for part in letter.walk() if not part.is_multipart()] == [
        "text/plain", "text/html", "application/pdf",
    ]  # fmt: skip


def test_the_same_fact_is_owed_once(mailing: Flask, box: Mailbox) -> None:
    org_id = owe()
    with transaction(org=org_id):
        assert outbox.send(org_id, key="receipt:1", event="receipt", to="b@example.test", context=FACTS) is None
    owe(org_id=make_org().id)  # another organization's fact of the same name is another fact
    drain(org_id)
    assert [letter["To"] for letter in box.letters] == ["ada@example.test"]


def test_nothing_is_owed_by_what_rolls_back(mailing: Flask, box: Mailbox) -> None:
    org_id = make_org().id

    def fail() -> None:
        with transaction(org=org_id):
            outbox.send(org_id, key="k", event="receipt", to="ada@example.test", context=FACTS)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert outbox.owed(org_id, "k") is None
    assert not queue.Queue(queue.MAIL, connection=queue.job_queue().redis, serializer=queue.JSONSerializer).jobs


def test_the_bell_rings_after_the_commit(mailing: Flask) -> None:
    org_id = owe()
    jobs = queue.Queue(queue.MAIL, connection=queue.job_queue().redis, serializer=queue.JSONSerializer).jobs
    assert [(job.func_name, *job.args) for job in jobs] == [(outbox.DRAIN, str(org_id))]


def test_a_mail_needs_the_transaction_of_its_organization(mailing: Flask) -> None:
    org_id, other = make_org().id, make_org().id
    with pytest.raises(RuntimeError):
        outbox.send(org_id, key="k", event="receipt", to="ada@example.test", context={})
    with pytest.raises(RuntimeError), transaction(org=other):
        outbox.send(org_id, key="k", event="receipt", to="ada@example.test", context={})


@pytest.mark.parametrize(
    "answer", ["451 try again later", "421 too busy", "452 mailbox full for now", "450 greylisted"]
)
def test_what_is_put_off_comes_again_later(mailing: Flask, box: Mailbox, answer: str) -> None:
    org_id = owe()
    box.refusals = [answer]
    drain(org_id)
    row = row_of(org_id)
    assert (row.state, row.attempts) == ("failed", 1)
    assert answer.partition(" ")[2] in str(row.error)
    assert row.next_attempt_at
    assert row.next_attempt_at > clock.now()
    assert outbox.due() == []
    make_due()
    assert outbox.due() == [org_id]
    drain(org_id)
    assert row_of(org_id).state == "sent"
    assert len(box.letters) == 1


def test_pauses_grow_up_to_an_hour(mailing: Flask, box: Mailbox) -> None:
    org_id = owe()
    box.refusals = ["451 no"] * 12
    pauses = []
    for _ in range(12):
        make_due()
        drain(org_id)
        query = text("SELECT extract(epoch FROM next_attempt_at - now()) FROM outbox_emails")
        pauses.append(round(autocommit().execute(query).scalar_one()))
    assert pauses[0] == pytest.approx(15, abs=2)
    assert pauses == sorted(pauses)
    assert pauses[-1] == pytest.approx(3600, abs=2)


def test_a_server_that_is_gone_keeps_nobody_waiting_and_loses_nothing(mailing: Flask, box: Mailbox) -> None:
    org_id = owe("a")
    owe("b", org_id=org_id)
    box.close()
    assert drain(org_id) is False
    tried = row_of(org_id, "a")
    assert (tried.state, row_of(org_id, "b").state) == ("failed", "waiting")  # one try tells it all
    assert tried.attempts == 0  # it was no fault of this mail, which waits for the server however long that takes
    assert "cannot be reached" in str(row_of(org_id, "a").error)
    box.open()
    make_due()
    drain(org_id)
    assert {row_of(org_id, key).state for key in "ab"} == {"sent"}
    assert len(box.letters) == 2


def test_after_an_outage_one_tick_finds_the_mails_of_many_people(mailing: Flask) -> None:
    org_ids = {owe(org_id=make_org(f"Org {number}").id) for number in range(60)}
    assert set(outbox.due()) == org_ids


@pytest.mark.parametrize(("answer", "at"), [("550 no such user", "recipient"), ("554 looks like spam", "data")])
def test_a_definite_no_parks_the_mail_with_its_reason(mailing: Flask, box: Mailbox, answer: str, at: str) -> None:
    org_id = owe("bad")
    owe("good", to="grace@example.test", org_id=org_id)
    if at == "recipient":
        box.rejected["ada@example.test"] = answer
    else:
        box.refusals = [answer]
    drain(org_id)
    parked = row_of(org_id, "bad")
    assert parked.state == "parked"
    assert answer in str(parked.error)
    assert row_of(org_id, "good").state == "sent"  # one bad address holds up nobody
    make_due()
    assert outbox.due() == []


def test_failures_without_end_are_parked_and_may_be_repeated(mailing: Flask, box: Mailbox) -> None:
    org_id = owe()
    box.refusals = ["451 later"] * outbox.MAX_ATTEMPTS
    for _ in range(outbox.MAX_ATTEMPTS):
        make_due()
        drain(org_id)
    parked = row_of(org_id)
    assert (parked.state, parked.attempts) == ("parked", outbox.MAX_ATTEMPTS)
    assert str(outbox.MAX_ATTEMPTS) in str(parked.error)
    assert "451 later" in str(parked.error)
    with transaction(org=org_id):
        outbox.retry(parked, by=SYSTEM)
    drain(org_id)
    assert row_of(org_id).state == "sent"
    assert db.session.query(AuditEntry).filter_by(action="email.retried").count() == 1
    with pytest.raises(Conflict), transaction(org=org_id):
        outbox.retry(parked, by=SYSTEM)


def test_a_worker_that_dies_before_sending_leaves_the_mail_to_the_next(mailing: Flask, box: Mailbox) -> None:
    org_id = owe()
    assert outbox.WORK.claim(org_id, seconds=60)
    assert outbox.due() == []
    drain(org_id)
    assert not box.letters
    autocommit().execute(text("UPDATE outbox_emails SET next_attempt_at = now() - interval '1 second'"))
    assert outbox.due() == [org_id]
    drain(org_id)
    assert len(box.letters) == 1


@each(
    "address",
    [
        "ada@example.test\nBcc: all@example.test", "ada@example.test\r\nBcc: x@y.test", "ada@example.test\r",
        "\nada@example.test",
        "ada@example.test,eve@example.test", "ada@example.test;eve@example.test", "Ada <ada@example.test>",
        "<ada@example.test>",
        "ada", "@example.test", "ada@", "", " ", "ada@example.test ", "a b@example.test", "ada@example.test\x00",
        "ada@exam\u2028ple.test", "ada@exam\x85ple.test", "a" * 250 + "@example.test", '"ada\n"@example.test',
        "ada@[127.0.0.1]",
        "ada@example.test\x0bRCPT TO:<x@y.test>", "grp:ada@example.test;",
    ],
)  # fmt: skip
def test_what_is_not_one_address_is_refused_when_it_is_written(app_context: Flask, address: str) -> None:
    org_id = make_org().id
    with pytest.raises(Invalid) as refusal, transaction(org=org_id):
        outbox.send(org_id, key="k", event="receipt", to=address, context={})
    assert refusal.value.field == "to"
    assert outbox.owed(org_id, "k") is None


@each("event", ["../secrets", "receipt/../x", "", "Receipt.txt", "a\nb"])
def test_an_event_is_a_word(app_context: Flask, event: str) -> None:
    org_id = make_org().id
    with pytest.raises(Invalid), transaction(org=org_id):
        outbox.send(org_id, key="k", event=event, to="ada@example.test", context={})


@pytest.mark.parametrize(
    "name", ["Acme\r\nBcc: all@evil.test", "Acme\nX-Evil: 1\n\nbody", "Acme\x00\x0b\x85\u2028\u2029Bcc: x", "A" * 5_000]
)
def test_no_name_adds_a_header(mailing: Flask, box: Mailbox, name: str) -> None:
    org_id = owe(org=name.replace("\x00", ""))
    drain(org_id)
    (letter,) = box.letters
    assert sorted(set(letter.keys())) == [
        "Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To",
    ]  # fmt: skip
    assert "\n" not in letter["Subject"]
    assert box.envelopes[0][1] == ["ada@example.test"]


def test_without_a_server_mails_wait_untried(app_context: Flask) -> None:
    org_id = owe()
    assert outbox.due() == []
    assert drain(org_id) is False
    assert (row_of(org_id).state, row_of(org_id).attempts) == ("waiting", 0)


def test_a_template_that_breaks_parks_in_the_end_and_stops_nobody(mailing: Flask, box: Mailbox) -> None:
    org_id = make_org().id
    with transaction(org=org_id):
        outbox.send(org_id, key="broken", event="nowhere", to="ada@example.test", context={})
    owe("whole", org_id=org_id)
    drain(org_id)
    assert "TemplateNotFound" in str(row_of(org_id, "broken").error)
    assert row_of(org_id, "broken").state == "failed"
    assert row_of(org_id, "whole").state == "sent"


def test_addresses_beyond_ascii_reach_a_server_that_takes_them(configured: Any) -> None:
    with mailbox(enable_SMTPUTF8=True) as box, configured(smtp={"url": box.url, "from": SENDER}).app_context():
        org_id = owe("a", to="ada@müller.test")
        owe("b", to="грета@example.test", org_id=org_id)
        drain(org_id)
        assert [to for _, (to,) in box.envelopes] == ["ada@xn--mller-kva.test", "грета@example.test"]


def test_the_key_of_a_row_is_unique_and_ids_follow_time(app_context: Flask) -> None:
    org_id = owe("a")
    owe("b", org_id=org_id)
    assert row_of(org_id, "a").id < row_of(org_id, "b").id < ids.new()


def test_the_secret_of_a_link_is_kept_encrypted_and_only_until_it_is_sent(mailing: Flask, box: Mailbox) -> None:
    org = make_org()
    with transaction(org=org.id):
        outbox.send(
            org.id,
            key="link:1",
            event="test",
            to="ada@example.test",
            context={"asked_by": "Ada", "asked_at": "now"},
            secret="one-time-token",
        )  # fmt: skip
    row = row_of(org.id, "link:1")
    assert row.secret
    assert "one-time-token" not in row.secret + str(row.context)
    drain(org.id)
    assert row_of(org.id, "link:1").state == "sent"
    assert row_of(org.id, "link:1").secret is None
