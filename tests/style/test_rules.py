"""Rules of style that a reader cannot see at a glance, read off the syntax tree."""

import ast
import pkgutil
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

from dashboard.jobs import JOBS

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = ROOT / "dashboard" / "domain"

FLOWS = {
    # They call outside between two transactions of their own, or serve as an entry point for several surfaces.
    "funds/charging.py": {"_alone"},
    "funds/expiry.py": {"clear", "drain"},
    "funds/holds/ending.py": {"clear", "drain"},
    "funds/holds/steps.py": {"reserve", "extend", "capture", "release"},
    "funds/seals/__init__.py": {"_keep"},
    "funds/credit_grants/notices.py": {"write"},
    "funds/credit_grants/paid.py": {"_unsettled"},
    "funds/credit_grants/used.py": {"used_by"},
    "funds/credit_grants/settlement.py": {"open_grants_of"},  # for settings that end with a transaction
    "payments/checkout/budgets.py": {"take_page", "one_code", "_give_back"},
    "payments/checkout/checkout.py": {"_open", "_intent", "_note"},
    "payments/checkout/hosted_page.py": {"_customer"},
    "payments/fulfil.py": {"fulfil", "note_paid"},
    "payments/sweep.py": {"_unopened", "_doubt"},
    "catalog/configured.py": {"ensure_configured"},
    "catalog/provider_accounts.py": {"record_platform"},
    "usage/recording.py": {"_once"},
    "usage/charging/voids.py": {"void"},
    "usage/charging/waiting.py": {"_once"},
    "catalog/sync.py": {"_want"},
    "organizations/invites/respond.py": {"_guessed"},
    "organizations/invites/send.py": {"_in_transaction"},
    "people/accounts.py": {"verify", "confirm_by_link", "reset", "change_password", "_ask"},
    "people/authentication.py": {"sign_in", "second_step", "_note_refusal", "confirm"},
    "organizations/registration.py": {"create_user", "ask_to_join", "_add_standard"},
    "organizations/follow_ups.py": {"_follow"},
    "rate_limits.py": {"require", "counted"},
    "people/email_change.py": {"ask", "agree", "call_off"},
    "platform/erasure.py": {"erase", "_close_own", "_leave", "_forget_mails"},
    "people/second_factor.py": {"enable", "_judge"},
    "access/identity_providers.py": {"_fetched"},
    "access/end_users.py": {"_row"},
    "platform/verify.py": {"broken", "_repair"},
}
"""The functions of the domain that open a transaction themselves, with the reason above; nothing else there may."""


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))


def calls(node: ast.AST) -> set[str]:
    return {
        call.func.id if isinstance(call.func, ast.Name) else call.func.attr
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name | ast.Attribute)
    }


def test_only_entry_points_and_listed_flows_open_a_transaction() -> None:
    opening = {
        (str(path.relative_to(DOMAIN)), function.name)
        for path in DOMAIN.rglob("*.py")
        for function in functions(path)
        if "transaction" in calls(function)
    }
    allowed = {(path, name) for path, names in FLOWS.items() for name in names}
    assert opening <= allowed


def test_nothing_else_commits() -> None:
    committing = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "dashboard").rglob("*.py")
        if "commit" in calls(ast.parse(path.read_text()))
    }
    assert committing <= {"dashboard/core/db.py"}


def test_the_worker_runs_every_job_that_is_rung_for_and_no_other() -> None:
    paths = [*(ROOT / "dashboard").rglob("*.py"), ROOT / "worker.py"]
    named = {name for path in paths for name in re.findall(r'"(dashboard\.jobs\.\w+\.\w+)"', path.read_text())}
    assert named == JOBS
    assert all(callable(pkgutil.resolve_name(name)) for name in named)


def test_ledger_rows_are_written_in_one_place() -> None:
    writers = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "dashboard").rglob("*.py")
        if any(words in path.read_text() for words in ("INTO transactions", "UPDATE wallets", "INTO wallet_days"))
    }
    assert writers == {"dashboard/domain/funds/ledger_sql.py"}
    for path in DOMAIN.rglob("*.py"):
        assert not {"Transaction", "WalletDay", "CreditGrant"} & calls(ast.parse(path.read_text())), path


def test_wallets_are_opened_and_found_in_one_place() -> None:
    for path in (ROOT / "dashboard").rglob("*.py"):
        if path != DOMAIN / "funds" / "wallets.py":
            found = re.findall(r"select\(Wallet\)|\.get\(Wallet\b|Wallet\.unit\b|\bunit=\"", path.read_text())
            assert not found, (path, found)
    for path in DOMAIN.rglob("*.py"):
        assert path.name == "wallets.py" or "Wallet" not in calls(ast.parse(path.read_text())), path


def test_a_payment_changes_its_state_in_one_place() -> None:
    """The inbox's events have states of their own."""
    for path in (DOMAIN / "payments").rglob("*.py"):
        if path.name not in ("states.py", "inbox.py"):
            targets = {
                name.attr
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Assign)
                for target in node.targets
                for name in ast.walk(target)
                if isinstance(name, ast.Attribute)
            }
            assert "state" not in targets, path


def test_the_platforms_account_and_mode_are_asked_for_at_entry_points_only() -> None:
    asking = {
        str(path.relative_to(ROOT / "dashboard"))
        for path in (ROOT / "dashboard").rglob("*.py")
        if re.search(r"platform_account|settings\(\)\.mode", path.read_text())
    }
    assert asking == {"providers/__init__.py", "web/guards.py", "api/auth.py", "jobs/__init__.py", "cli/__init__.py"}


def test_no_float_near_money() -> None:
    for folder in ("dashboard/domain", "dashboard/api", "dashboard/web"):
        for path in (ROOT / folder).rglob("*.py"):
            assert "float" not in calls(ast.parse(path.read_text())), path


def test_tests_patch_nothing_of_ours() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        if path != Path(__file__):
            text = path.read_text()
            assert not any(word in text for word in ("mock.patch", "MagicMock", "monkeypatch.setattr", "mocker.")), path


def test_no_module_imports_at_its_end() -> None:
    for path in [*(ROOT / "dashboard").rglob("*.py"), ROOT / "worker.py"]:
        body = ast.parse(path.read_text()).body
        late = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
        others = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        assert not (late and others) or late[-1].lineno < others[0].lineno, path


def test_only_render_knows_htmx() -> None:
    for path in (ROOT / "dashboard").rglob("*.py"):
        if path.name not in ("render.py", "sessions.py", "headers.py"):
            assert '"HX-' not in path.read_text(), path


def test_imports_form_no_circle() -> None:
    graph = grimp.build_graph("dashboard")
    order = TopologicalSorter({module: graph.find_modules_directly_imported_by(module) for module in graph.modules})
    assert len(list(order.static_order())) == len(graph.modules)  # raises CycleError
