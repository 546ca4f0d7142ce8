"""A superuser without triggers edits, deletes and exchanges rows and seals: all is found, the first one named."""

import random
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from dashboard.core import clock
from dashboard.core.db import db, transaction
from dashboard.domain.funds import seals
from dashboard.domain.funds.seals import checkpoints, encoding
from dashboard.domain.platform import verify
from dashboard.models import PLATFORM_ORG_ID
from tests.domain.funds.sealing import post
from tests.factories import make_org, wallet_of
from tests.servers import Servers

pytestmark = pytest.mark.usefixtures("app_context")

WALLETS, BLOCKS = 4, (20, 1, 30, 9)
ROWS, SEALS = sum(BLOCKS), len(BLOCKS)
TABLES = ("transactions", "ledger_seals")

ROW_EDITS = (
    "description = description || ' '", "key = key || 'x'", "origin = 'api'", "app = 'other'", "reason = 'none'",
    "created_at = created_at + interval '1 microsecond'", "amount = amount - 1, balance_after = balance_after - 1",
    "amount = amount - 2, balance_before = balance_before + 2", "type = 'consumption'", "actor_kind = 'user'",
    "actor_id = gen_random_uuid()", "member_id = gen_random_uuid()", "payment_id = gen_random_uuid()",
    "body_hash = '\\x00'", "id = gen_random_uuid()", "mode = 'live'", "reason = ''",
)  # fmt: skip

SEAL_EDITS = (
    "hash = sha256(hash)", "previous_hash = sha256(previous_hash)", "checksums = checksums || '\\x00000000'",
    "checksums = set_byte(checksums, 3, (get_byte(checksums, 3) + 1) %% 256)", "seq_to = seq_to + 1",
    "created_at = created_at - interval '1 second'", "seq_to = seq_to + 100000000", "hash = ''", "checksums = ''",
)  # fmt: skip


class Intruder:
    """May do everything, and puts everything back."""

    def __init__(self, connection: psycopg.Connection, rng: random.Random) -> None:
        self.sql, self.rng = connection, rng
        self.sql.execute("SET session_replication_role = replica")
        for table in TABLES:
            self.sql.execute(f"CREATE TEMP TABLE kept_{table} AS SELECT * FROM {table}")
        found = self.sql.execute("SELECT DISTINCT wallet_id FROM ledger_seals ORDER BY 1").fetchall()
        self.wallets = [wallet for (wallet,) in found]

    def put_back(self) -> None:
        for table in TABLES:
            self.sql.execute(f"DELETE FROM {table}")
            self.sql.execute(f"INSERT INTO {table} SELECT * FROM kept_{table}")

    def run(self, statement: str, **values: Any) -> None:
        assert self.sql.execute(statement, values).rowcount == 1

    def edit_row(self) -> str:
        wallet, n = self.a_row()
        self.run(f"UPDATE transactions SET {self.rng.choice(ROW_EDITS)} WHERE wallet_id = %(w)s AND seq = %(n)s",
                 w=wallet, n=n)  # fmt: skip
        return f"row {n} of wallet {wallet}"

    def delete_row(self) -> str:
        wallet, n = self.a_row()
        self.run("DELETE FROM transactions WHERE wallet_id = %(w)s AND seq = %(n)s", w=wallet, n=n)
        return f"wallet {wallet} row {n} "

    def swap_rows(self) -> str:
        wallet, _ = self.a_row()
        one, other = self.rng.sample(range(1, ROWS + 1), 2)
        for before, after in ((one, -1), (other, one), (-1, other)):
            self.run("UPDATE transactions SET seq = %(b)s WHERE wallet_id = %(w)s AND seq = %(a)s",
                     w=wallet, a=before, b=after)  # fmt: skip
        return f"row {min(one, other)} of wallet {wallet}"

    def move_row(self) -> str:
        """To the end of another wallet, where nothing is sealed."""
        wallet, n = self.a_row()
        other = self.rng.choice([each for each in self.wallets if each != wallet])
        self.run("""UPDATE transactions SET seq = 10000, wallet_id = %(o)s, org_id = (
          SELECT org_id FROM wallets WHERE id = %(o)s) WHERE wallet_id = %(w)s AND seq = %(n)s""",
                 w=wallet, n=n, o=other)  # fmt: skip
        return f"wallet {wallet} row {n} "

    def edit_seal(self) -> str:
        _, _, seal = self.a_seal()
        edit = self.rng.choice(SEAL_EDITS)
        self.run(f"UPDATE ledger_seals SET {edit} WHERE id = %(s)s", s=seal)
        return f"seal {seal} "

    def delete_seal(self) -> str:
        wallet, number, seal = self.a_seal()
        self.run("DELETE FROM ledger_seals WHERE id = %(s)s", s=seal)
        # The last one leaves rows that look as if nobody had sealed them: only the logged head knows.
        return "head of " if number == SEALS - 1 else f"seal {self.seals_of(wallet)[number]} "

    def move_seal(self) -> str:
        _, _, seal = self.a_seal()
        self.run("UPDATE ledger_seals SET seq_from = seq_from + 100, seq_to = seq_to + 100 WHERE id = %(s)s", s=seal)
        return "one is missing or was changed"

    def swap_seals(self) -> str:
        found = [(wallet, place, seal) for wallet in self.wallets for place, seal in enumerate(self.seals_of(wallet))]
        one, other = sorted(self.rng.sample(range(len(found)), 2))
        a, b = found[one][2], found[other][2]
        names = "previous_hash, hash, checksums, created_at"
        self.run(f"UPDATE ledger_seals SET ({names}) = (SELECT {names} FROM kept_ledger_seals WHERE id = %(b)s)"
                 " WHERE id = %(a)s", a=a, b=b)  # fmt: skip
        self.run(f"UPDATE ledger_seals SET ({names}) = (SELECT {names} FROM kept_ledger_seals WHERE id = %(a)s)"
                 " WHERE id = %(b)s", a=a, b=b)  # fmt: skip
        return f"seal {a} "

    def a_row(self) -> tuple[UUID, int]:
        return self.rng.choice(self.wallets), self.rng.randint(1, ROWS)

    def a_seal(self) -> tuple[UUID, int, UUID]:
        wallet, number = self.rng.choice(self.wallets), self.rng.randrange(SEALS)
        return wallet, number, self.seals_of(wallet)[number]

    def seals_of(self, wallet: UUID) -> list[UUID]:
        found = self.sql.execute("SELECT id FROM ledger_seals WHERE wallet_id = %s ORDER BY seq_from", (wallet,))
        return [seal for (seal,) in found]


KINDS = (
    Intruder.edit_row, Intruder.delete_row, Intruder.swap_rows, Intruder.move_row, Intruder.edit_seal,
    Intruder.delete_seal, Intruder.move_seal, Intruder.swap_seals,
)  # fmt: skip


@pytest.fixture
def intruder(servers: Servers) -> Iterator[Intruder]:
    """Over wallets with a few seals each, rows under none, and a recorded head."""
    for name in range(WALLETS):
        wallet = wallet_of(make_org(f"Org {name}", funds=1_000_000))
        for place, count in enumerate(BLOCKS):
            post(wallet, count - (place == 0))  # the first has the opening grant as well
            seals.seal(wallet.org_id)
        post(wallet, 5)
    with transaction(org=PLATFORM_ORG_ID):
        checkpoints.record(clock.now() + timedelta(seconds=1))
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    with psycopg.connect(servers.database_url.replace("+psycopg", ""), autocommit=True) as connection:
        if connection.info.parameter_status("is_superuser") != "on":
            pytest.skip("planting faults needs a superuser")
        yield Intruder(connection, random.Random(seed))


def broken() -> list[str]:
    db.session.remove()
    return [f"{one.object} {one.detail}" for one in verify.broken(only="seals")]


@pytest.mark.parametrize("times", [15, pytest.param(100, marks=pytest.mark.soak)])
def test_everything_is_found_and_the_first_one_named(intruder: Intruder, times: int) -> None:
    assert broken() == []
    for _ in range(times):
        for act in KINDS:
            expected = act(intruder)
            found = broken()
            assert found, (act.__name__, expected)
            assert expected in f"{found[0]} ", (act.__name__, expected, found)
            intruder.put_back()
    assert broken() == []


def test_a_row_changed_with_its_checksum_names_the_seal(intruder: Intruder) -> None:
    """The checksums only point; the hash proves."""
    wallet = intruder.wallets[1]
    intruder.run("UPDATE transactions SET description = 'x' WHERE wallet_id = %(w)s AND seq = 21", w=wallet)
    query = f"COPY (SELECT {encoding.ROW} FROM transactions WHERE wallet_id = '{wallet}' AND seq = 21) TO STDOUT"
    with intruder.sql.cursor().copy(query.encode()) as copy:
        forged = encoding.checksums([bytes(line) for line in copy])
    intruder.run("UPDATE ledger_seals SET checksums = %(c)s WHERE wallet_id = %(w)s AND seq_from = 21",
                 c=forged, w=wallet)  # fmt: skip
    (found,) = broken()
    assert re.fullmatch(rf"seal \S+ over rows 21 to 21 of wallet {wallet} does not fit .*", found)


def test_a_ledger_sealed_anew_does_not_lead_to_the_logged_head(intruder: Intruder) -> None:
    """An attacker who rewrites rows and every seal over them has right seals, but the log has another head."""
    wallet = intruder.wallets[0]
    intruder.run("UPDATE transactions SET description = 'x' WHERE wallet_id = %(w)s AND seq = 3", w=wallet)
    intruder.sql.execute("DELETE FROM ledger_seals WHERE wallet_id = %s", (wallet,))
    (org_id,) = intruder.sql.execute("SELECT org_id FROM wallets WHERE id = %s", (wallet,)).fetchone() or ()
    db.session.remove()
    assert not seals.seal(org_id)
    assert verify.broken(org_id, only="seals") == []
    (found,) = broken()
    assert found.startswith("head of ")


def test_one_organization_is_checked_alone(intruder: Intruder) -> None:
    wallet, other = intruder.wallets[:2]
    intruder.run("UPDATE transactions SET description = 'x' WHERE wallet_id = %(w)s AND seq = 3", w=wallet)
    orgs = dict(intruder.sql.execute("SELECT id, org_id FROM wallets").fetchall())
    db.session.remove()
    assert len(verify.broken(orgs[wallet], only="seals")) == 1
    assert verify.broken(orgs[other], only="seals") == []


def test_what_is_broken_everywhere_is_named_up_to_a_limit(intruder: Intruder) -> None:
    intruder.sql.execute("UPDATE transactions SET description = 'x'")
    db.session.remove()
    assert len(verify.broken(only="seals")) == WALLETS * SEALS
    assert len(verify.broken(only="seals", most=3)) == 3
    assert db.session.scalar(db.text("SELECT 1")) == 1
