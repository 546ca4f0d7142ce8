"""What a payment may become, and that nothing else happens to it."""

import pytest

from dashboard.core.db import db, transaction
from dashboard.domain.payments import states
from dashboard.models import PAYMENT_STATES, AuditEntry
from tests.domain.payments.seller import Seller


def test_every_state_says_where_it_leads_and_credited_is_the_end() -> None:
    assert set(states.MOVES) == set(PAYMENT_STATES)
    assert all(ends <= set(PAYMENT_STATES) and start not in ends for start, ends in states.MOVES.items())
    assert states.MOVES["credited"] == set()
    assert all("credited" in ends for start, ends in states.MOVES.items() if start != "credited")


def test_a_move_that_cannot_be_is_refused_and_changes_nothing(seller: Seller) -> None:
    payment = seller.buy()
    with pytest.raises(RuntimeError, match="pending to created"), transaction(org=payment.org_id):
        states.move(payment, "created")
    assert seller.payment(payment.id).state == "pending"


def test_a_move_is_dated_and_recorded_and_a_stay_is_not(seller: Seller) -> None:
    payment = seller.buy()
    with transaction(org=payment.org_id):
        states.move(payment, "unknown", problem="No answer.")
    with transaction(org=payment.org_id):
        states.move(payment, "unknown", problem="Still no answer.")
    entry = db.session.query(AuditEntry).filter_by(object_id=str(payment.id), action="payment.unknown").one()
    assert (entry.before, entry.after) == ({"state": "pending"}, {"state": "unknown", "problem": "No answer."})
    assert seller.payment(payment.id).problem == "Still no answer."
