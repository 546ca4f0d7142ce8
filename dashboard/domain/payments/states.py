"""The states of a payment and the moves between them: the only place that changes one."""

from collections.abc import Mapping
from typing import Any

from dashboard.core import clock
from dashboard.domain import audit
from dashboard.domain.audit import SYSTEM, Actor
from dashboard.models import Payment

UNOPENED = ("created", "unknown")
"""The payment page is not known yet."""

OPEN = (*UNOPENED, "pending")
"""The payer may still pay, or may have paid without our knowing."""

UNSETTLED = (*OPEN, "paid")
"""A payment in these states settles automatically."""

ENDED = {"credited", "failed", "expired", "review"}

MOVES: dict[str, set[str]] = {
    "created": {"unknown", "pending", "paid", *ENDED},
    "unknown": {"pending", "paid", *ENDED},
    "pending": {"unknown", "paid", *ENDED},
    "paid": {"pending", *ENDED},  # the provider reported it as paid, but its session could not be read
    "failed": {"credited", "expired", "review"},  # if the provider changes its answer, the new answer counts
    "expired": {"credited", "failed", "review"},
    "review": {"credited", "failed"},
    "credited": set(),
}


def move(
    payment: Payment,
    state: str,
    *,
    problem: str | None = None,
    by: Actor = SYSTEM,
    action: str | None = None,
    reason: str | None = None,
    facts: Mapping[str, Any] | None = None,
    record: bool = True,
) -> None:
    """Move the locked `payment` to `state`, with the time and an audit entry. In the same state, only store the
    problem.

    `action` is the entry's action if it is not the move itself, `facts` what the entry holds besides the state. Raises
    RuntimeError for an illegal move.
    """
    was, had = payment.state, payment.problem
    payment.problem = problem
    if state == was:
        return
    if state not in MOVES[was]:
        raise RuntimeError(f"a payment cannot go from {was} to {state}")
    payment.state, payment.changed_at = state, clock.now()
    if record:
        audit.record(
            payment,
            f"payment.{action or state}",
            by=by,
            before={"state": was, "problem": had} if reason else {"state": was},
            after={"state": state, **({"problem": problem} if facts is None else facts)},
            reason=reason,
        )
