"""The demo's holds: one of each state. The open one waits for its capture."""

from datetime import timedelta

from dashboard.core import clock
from dashboard.domain.access import keys
from dashboard.domain.access.permissions import of_key
from dashboard.domain.funds import wallets
from dashboard.domain.funds.holds import ending, steps
from dashboard.domain.funds.holds.steps import HoldRequest
from dashboard.domain.funds.spend_limits import LimitId, Spender
from dashboard.models import ApiKey, Hold, Organization

MODE = "test"
MINUTE = timedelta(minutes=1)


def make(org: Organization) -> None:
    """Runs again without making them twice."""
    program = next(row for row in keys.of_org(org.id) if row.name == "Production")
    now = clock.now()
    with clock.at(now - 95 * MINUTE):
        lost = _hold(org, program, "lost", 500_000, "Answer to ticket 4821", "chat-api")
    with clock.at(lost.expires_at):
        ending.clear(org.id, lost.wallet_id, clock.now())
    with clock.at(now - 70 * MINUTE):
        failed = _hold(org, program, "failed", 2_400_000, "Video of episode 11", "render-worker")
    with clock.at(now - 66 * MINUTE):
        steps.release(failed, _request(program, "failed:end"))
    with clock.at(now - 40 * MINUTE):
        done = _hold(org, program, "done", 2_400_000, "Video of episode 12", "render-worker")
    with clock.at(now - 34 * MINUTE):
        steps.extend(done, _request(program, "done:later"), org=org, seconds=1_200)
    with clock.at(now - 21 * MINUTE):
        steps.capture(done, _request(program, "done:end"), org=org, amount=1_730_000)
    with clock.at(now - 4 * MINUTE):
        days = int((steps.LONGEST - timedelta(hours=1)).total_seconds())
        _hold(org, program, "open", 1_500_000, "Nightly training run", "training", seconds=days)


def _hold(
    org: Organization, program: ApiKey, name: str, micros: int, description: str, app: str, *, seconds: int = 600
) -> Hold:
    spender = Spender(program.created_by, LimitId(org.id, program.limit_id) if program.limit_id else None)
    return steps.reserve(
        wallets.of_organization(org.id, MODE), _request(program, name), org=org, amount=micros, seconds=seconds,
        spender=spender, description=description, app=app,
    ).hold  # fmt: skip


def _request(program: ApiKey, name: str) -> HoldRequest:
    return HoldRequest("api", f"demo:hold:{name}", of_key(program).actor)
