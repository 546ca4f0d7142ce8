"""Commands: `flask --app wsgi ...`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from dashboard.cli import demo
from dashboard.config import settings
from dashboard.core import clock
from dashboard.core.db import AWAY, autocommit, transaction
from dashboard.core.errors import CofferError
from dashboard.domain import audit
from dashboard.domain.access import keys, service_keys
from dashboard.domain.access.permissions import SCOPES, SERVICE_SCOPES
from dashboard.domain.audit import SYSTEM
from dashboard.domain.funds.seals import checkpoints
from dashboard.domain.organizations import follow_ups, organizations, registration
from dashboard.domain.people import second_factor, users
from dashboard.domain.platform import user_administration, verify
from dashboard.models import PLATFORM_ORG_ID, Organization, User
from dashboard.providers import platform_account

user_commands = AppGroup("users", help="People.")
key_commands = AppGroup("api-keys", help="Keys for programs.")
ledger_commands = AppGroup("ledger", help="The books.")
counter_commands = AppGroup("counters", help="What was used, by day.")


def register(app: Flask) -> None:
    for group in (user_commands, key_commands, ledger_commands, counter_commands):
        app.cli.add_command(group)
    app.cli.add_command(seed_demo)


@click.command("seed-demo")
@with_appcontext
def seed_demo() -> None:
    """Create the demo organizations, users and 90 days of history. Safe to repeat."""
    if settings().production:
        raise click.ClickException("Demo data is for development and test only.")
    click.echo(demo.seed(platform_account().mode))


@user_commands.command("create")
@click.option("--email", required=True)
@click.option("--password", required=True)
@click.option("--name", default="")
@click.option("--platform-manager", is_flag=True)
def create_user(email: str, password: str, name: str, platform_manager: bool) -> None:
    """Create a user; the address counts as verified."""
    with _refusals():
        user = registration.create_user(
            email=email, password=password, mode=platform_account().mode, name=name, manager=platform_manager
        )
    click.echo(f"{user.email} {user.platform_role}")


@user_commands.command("reset-2fa")
@click.option("--email", required=True)
@click.option("--reason", required=True)
def reset_second_factor(email: str, reason: str) -> None:
    """Switch off the second factor of a user who lost phone and recovery codes. The user is notified by email."""
    user = _person(email)
    home = users.personal_org_id(user.id)
    with _refusals(), transaction(org=home):
        second_factor.disable(user, by=SYSTEM, home=home, reason=audit.checked_reason(reason))
    click.echo(f"{user.email} now signs in with only the password.")


@user_commands.command("disable")
@click.option("--email", required=True)
@click.option("--reason", required=True)
def disable_user(email: str, reason: str) -> None:
    """End a user's sessions and tokens, and lock the user out."""
    user = _person(email)
    with _refusals(), transaction(org=PLATFORM_ORG_ID):
        user_administration.disable(user, reason=reason, by=SYSTEM)
    follow_ups.work(user.id)
    click.echo(f"{user.email} is disabled.")


@key_commands.command("create")
@click.option("--org", "slug", help="Slug of the organization the key belongs to.")
@click.option("--user", "email", help="Email of the person, for a personal token.")
@click.option("--service", is_flag=True, help="A key of the platform, for all platform-funded organizations.")
@click.option("--scopes", required=True, help=f"Comma-separated, of: {', '.join(sorted(SCOPES | SERVICE_SCOPES))}.")
@click.option("--name", required=True)
@click.option("--mode", type=click.Choice(["test", "live"]), help="Default: the platform's mode.")
@click.option("--env", is_flag=True, help="Print the key and the server's address as exports for a shell.")
def create_key(
    slug: str | None, email: str | None, service: bool, scopes: str, name: str, mode: str | None, env: bool
) -> None:
    """Create an API key and print it. It is shown only once."""
    if [slug is not None, email is not None, service].count(True) != 1:
        raise click.UsageError("Give one of --org, --user and --service.")
    if email and mode:
        raise click.UsageError("A personal token has no mode: it works in the platform's.")
    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    with _refusals():
        if service:
            key = _service_key(wanted, name, mode)
        else:
            key = _org_key(slug, wanted, name, mode) if slug else _personal_key(str(email), wanted, name)
    click.echo(f"export COFFER={_address()} KEY={key}" if env else key)


def _address() -> str:
    return settings().base_url or f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"


@ledger_commands.command("verify")
@click.pass_context
def verify_ledger(context: click.Context) -> None:
    """Check every invariant of the ledger. If one does not hold, print the first broken rows and exit with 1."""
    with _refusals():
        violations = verify.broken()
    for violation in violations:
        click.echo(str(violation), err=True)
    if any(not violation.warning for violation in violations):
        context.exit(1)
    click.echo("All invariants hold.")


@ledger_commands.command("head")
@click.option("--at", "at", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="UTC; default: last midnight.")
def ledger_head(at: datetime | None) -> None:
    """Print the checkpoint hash over all seals at a moment, to compare it with the log of that time."""
    with _refusals():
        moment = (at or datetime.combine(clock.today(), time())).replace(tzinfo=UTC)
        click.echo(str(checkpoints.compute(autocommit(), moment)))


@counter_commands.command("rebuild")
@click.option("--check", is_flag=True, help="Change nothing: only compare the counters with the events.")
@click.option("--org", "slug", help="Slug of one organization; default: all.")
@click.pass_context
def rebuild_counters(context: click.Context, check: bool, slug: str | None) -> None:
    """Make the counters of usage equal to the events. If they are not, print the first wrong ones and exit with 1."""
    with _refusals():
        org_id = _organization(slug).id if slug else None
        if not check:
            for day in verify.repair_counters(org_id):
                click.echo(f"Counted {day.day} of wallet {day.wallet_id} again.")
        violations = verify.broken(org_id, only=verify.COUNTERS)
    for violation in violations:
        click.echo(str(violation), err=True)
    if violations:
        context.exit(1)
    click.echo("The counters equal the events.")


def _person(email: str) -> User:
    user = users.by_email(email)
    if user is None:
        raise click.ClickException(f"There is no user with the address {email}.")
    return user


def _organization(slug: str) -> Organization:
    org = organizations.by_slug(slug)
    if org is None:
        raise click.ClickException(f"There is no organization with the slug {slug}.")
    return org


def _org_key(slug: str, scopes: list[str], name: str, mode: str | None) -> str:
    org = _organization(slug)
    with transaction(org=org.id):
        return keys.make(org, name=name, scopes=scopes, mode=mode or platform_account().mode, by=SYSTEM).key


def _service_key(scopes: list[str], name: str, mode: str | None) -> str:
    with transaction(org=PLATFORM_ORG_ID):
        return service_keys.make(
            name=name, scopes=scopes, mode=mode or platform_account().mode, reason="Made by a command", by=SYSTEM
        ).key


def _personal_key(email: str, scopes: list[str], name: str) -> str:
    user = _person(email)
    with transaction(org=PLATFORM_ORG_ID):
        return keys.make_personal(user, name=name, scopes=scopes, by=SYSTEM).key


@contextmanager
def _refusals() -> Iterator[None]:
    """Show domain errors, and an unusable database, as errors of the command."""
    try:
        yield
    except CofferError as refusal:
        raise click.ClickException(refusal.detail) from None
    except AWAY:
        hint = "it is away, or `flask --app wsgi db upgrade` has not been run"
        raise click.ClickException(f"The database cannot be used: {hint}.") from None
