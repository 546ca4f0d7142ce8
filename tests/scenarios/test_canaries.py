"""Marked secrets go through every surface, in good and in failing requests; none comes out where it must not."""

import re
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit

import psycopg
import requests
from joserfc.jwk import OctKey
from psycopg import sql
from redis import Redis

from dashboard.core import ids
from tests.factories import PASSWORD, make_user
from tests.identity_provider import ISSUER, Signer
from tests.scenarios.processes import WEBHOOK, Stack, wait_until
from tests.scenarios.programs import csrf_of
from tests.scenarios.purchases import Purchases
from tests.servers import Servers
from tests.stripe_fake import signing

LINK = re.compile(r'(?:href|hx-get)="(/[^"#]*)"')
KEY = re.compile(r"\bcof_[A-Za-z0-9_-]{20,}")
MOST_PAGES = 150


class Witness:
    """A browser that remembers all it was shown."""

    def __init__(self, url: str) -> None:
        self.url, self.told = url, [""]
        self.http = requests.Session()
        self.http.trust_env = False

    def get(self, path: str, **how: object) -> requests.Response:
        return self._heard(self.http.get(urljoin(self.url, path), timeout=30, **how))  # type: ignore[arg-type]

    def post(self, path: str, **fields: object) -> requests.Response:
        """With the token of the session's forms and all that a browser would send."""
        form = {"csrf_token": self.csrf} | fields
        headers = {"Referer": urljoin(self.url, path)}
        return self._heard(self.http.post(urljoin(self.url, path), data=form, headers=headers, timeout=30))

    def enter(self, path: str) -> None:
        self.csrf = csrf_of(self.get(path).text)

    def crawl(self, start: str) -> set[str]:
        """Open every page that can be reached by links."""
        waiting, seen = [start], {start}
        while waiting and len(seen) < MOST_PAGES:
            page = self.get(waiting.pop())
            assert page.status_code < 500, (page.url, page.text[:500])
            for link in LINK.findall(page.text):
                path = urlsplit(link.replace("&amp;", "&"))
                if path.path not in seen and not path.path.startswith("/static/"):
                    seen.add(path.path)
                    waiting.append(link.replace("&amp;", "&"))
        return seen

    def _heard(self, answer: requests.Response) -> requests.Response:
        self.told.append(f"{answer.text}\n{answer.url}")
        return answer


def test_no_secret_comes_out(stack: Stack, purchases: Purchases, servers: Servers) -> None:
    stack.start(worker=False)
    stack.stop_workers()  # so that the jobs stay where they can be looked at
    password, wrong = f"password-{ids.new().hex}", f"wrong-{ids.new().hex}"
    person = sign_up(stack, password, wrong)
    made = make_key(person, servers)
    secrets = dict(stack.secrets) | {"password": password, "wrong password": wrong, "key": made}
    secrets |= vouch(person)
    secrets["session"] = str(person.http.cookies.get("coffer"))
    assert len(secrets["session"]) > 20
    refusals = use_wrongly(stack, made, person.http.cookies.get("coffer") or "")
    refusals += send_signed(stack, secrets["end user's token"])
    buy(stack, purchases, person)
    seen = person.crawl("/")
    assert any(path.endswith("/transactions") for path in seen), seen
    operator = manager(stack)
    operator.crawl("/admin/")
    require_absent("pages", secrets, [*person.told, *operator.told])
    require_absent("error answers", secrets, [refusal.text for refusal in refusals])
    for_programs = [refusal.text for refusal in refusals if "json" in refusal.headers["Content-Type"]]
    require_absent("error answers without a form", {"csrf": person.csrf}, for_programs)
    require_absent("Redis", secrets | {"csrf": person.csrf}, redis_dump(servers.redis))
    require_absent("the database", secrets, database_dump(servers))
    stack.start()
    wait_until(lambda: parked(purchases), "the event to be parked")
    operator.crawl("/admin/webhooks")
    require_absent("pages of a refused event", secrets, operator.told)
    require_absent("logs", secrets | {"csrf": person.csrf}, [stack.logs()])
    assert '"request"' in stack.logs(), "the logs were not written where this test looks"
    purchases.fake.revoked_keys.discard(stack.stripe_key)


def sign_up(stack: Stack, password: str, wrong: str) -> Witness:
    person = Witness(stack.url)
    person.enter("/signup")
    form = {"name": "Canary", "email": "canary@example.test"}
    person.post("/signup", **form | {"email": "no address"}, password=password)
    person.post("/signup", **form, password=password)
    assert "coffer" in person.http.cookies
    other = Witness(stack.url)
    other.enter("/login")
    assert other.post("/login", email="canary@example.test", password=wrong).status_code == 422
    person.told += other.told
    person.enter("/")
    return person


def make_key(person: Witness, servers: Servers) -> str:
    """By the form; the answer that shows it is the only place where it may stand."""
    home = person.get("/").url
    keys = f"{home}{'' if home.endswith('/') else '/'}keys"
    form = {"name": "Canary", "scopes": ["wallet:read", "wallet:charge"], "csrf_token": person.csrf}
    answer = person.http.post(keys, data=form, headers={"Referer": keys}, timeout=30, allow_redirects=False)
    assert answer.status_code in (302, 303), answer.text[:1_000]
    before = database_dump(servers)
    shown = person.http.get(urljoin(keys, answer.headers["Location"]), timeout=30)
    found = KEY.search(shown.text)
    assert found, "the new key is shown once"
    require_absent("the database before the key was seen", {"key": found[0]}, before)
    return found[0]


def vouch(person: Witness) -> dict[str, str]:
    """The organization's identity provider shares a secret with us, by the form; what it signs is a secret as well."""
    home = person.get("/").url.rstrip("/")
    secret = f"shared-{ids.new().hex}"
    form = {"issuer": ISSUER, "algorithm": "HS256", "jwks_url": "", "jwks": ""}
    refused = person.post(f"{home}/settings/identity", **form | {"issuer": " "}, secret=secret)
    assert refused.status_code == 422
    page = person.post(f"{home}/settings/identity", **form, secret=secret)
    audience = re.search(r"coffer:[0-9a-f-]{36}:test", page.text)
    assert audience, page.text[:1_000]
    signer = Signer("HS256")
    signer.key = OctKey.import_key(secret)
    return {"shared secret": secret, "end user's token": signer.token(audience[0])}


def send_signed(stack: Stack, token: str) -> list[requests.Response]:
    """The token lets its end user in, and is refused everywhere else."""
    bearer = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{stack.url}/api/v1/me", headers=bearer, timeout=10).json()["subject"] == "user-7"
    calls = [
        requests.get(f"{stack.url}/api/v1/orgs", headers=bearer, timeout=10),
        requests.get(f"{stack.url}/api/v1/{token}", headers=bearer, timeout=10),
        requests.get(f"{stack.url}/api/v1/me?token={token}", timeout=10),
        requests.get(f"{stack.url}/api/v1/me", headers={"Authorization": f"Bearer {token}x"}, timeout=10),
    ]
    assert [call.status_code for call in calls] == [403, 404, 401, 401]
    return calls


def use_wrongly(stack: Stack, key: str, cookie: str) -> list[requests.Response]:
    """Everything that is refused, with a secret in it."""
    bearer = {"Authorization": f"Bearer {key}"}
    wallet = f"{stack.url}/api/v1/orgs/{ids.new()}/wallet"
    body, headers = signing.signed({"id": "evt_1"}, stack.webhook_secret)
    calls = [
        requests.get(f"{wallet}?api_key={key}", timeout=10),
        requests.get(wallet, headers=bearer, timeout=10),
        requests.get(f"{stack.url}/api/v1/{key}", headers=bearer, timeout=10),
        requests.get(wallet, headers={"Authorization": f"Bearer {key}x"}, timeout=10),
        requests.get(wallet, headers={"Authorization": f"Basic {key}"}, timeout=10),
        requests.post(wallet, headers=bearer, data=key, timeout=10),
        requests.post(wallet, headers=bearer, json={"operation": key, key: key, "amount_micros": cookie}, timeout=10),
        requests.delete(wallet, headers=bearer, timeout=10),
        requests.get(stack.url + "/login", cookies={"coffer": f"{cookie}x"}, timeout=10),
        requests.post(stack.url + "/login", data={"password": key}, cookies={"coffer": cookie}, timeout=10),
        requests.post(stack.url + WEBHOOK, data=body, headers=headers, timeout=10),
        requests.post(stack.url + WEBHOOK, data=stack.webhook_secret, timeout=10),
        requests.post(
            stack.url + WEBHOOK, data=body, headers={"Stripe-Signature": f"t=1,v1={stack.webhook_secret}"}, timeout=10
        ),
    ]
    assert all(call.status_code < 500 for call in calls), [call.status_code for call in calls]
    return [call for call in calls if not call.ok]


def buy(stack: Stack, purchases: Purchases, person: Witness) -> None:
    """One purchase is told and waits for a worker; then Stripe no longer takes our key."""
    sale = purchases.sell(purchases.org("Waiting"))
    assert stack.deliver(sale.events[0]).status_code == 200
    purchases.fake.revoked_keys.add(stack.stripe_key)
    home = person.get("/").url.rstrip("/")
    choice = person.get(f"{home}/buy").text
    form = dict(re.findall(r'name="(product(?:_id)?|idempotency_key|version_id)"[^>]*value="([^"]+)"', choice))
    answer = person.post(f"{home}/buy", quantity="1", **form)
    assert answer.status_code >= 400, "Stripe refuses the key, and the page says so"


def manager(stack: Stack) -> Witness:
    """Someone who may look into everything."""
    boss = make_user("boss@example.test", manager=True)
    made = Witness(stack.url)
    made.enter("/login")
    assert made.post("/login", email=boss.email, password=PASSWORD).ok
    return made


def parked(purchases: Purchases) -> bool:
    with purchases.sql() as books:
        return books.execute("SELECT state = 'parked' FROM inbox_events").fetchall() == [(True,)]  # type: ignore[comparison-overlap]


def require_absent(place: str, secrets: dict[str, str], texts: Iterable[str]) -> None:
    together = "\n".join(texts)
    assert [name for name, secret in secrets.items() if secret in together] == [], f"secrets in {place}"


def redis_dump(redis: "Redis") -> list[str]:
    """Every key with what it holds; there are jobs among them."""
    readers = {b"string": redis.get, b"hash": redis.hgetall, b"list": lambda key: redis.lrange(key, 0, -1),
               b"set": redis.smembers, b"zset": lambda key: redis.zrange(key, 0, -1)}  # fmt: skip
    found = [f"{key!r} {readers[redis.type(key)](key)!r}" for key in redis.scan_iter()]  # type: ignore[index,operator]
    assert any("dashboard.jobs.inbox.drain" in one for one in found), "no job waits: this dump proves nothing"
    return found


def database_dump(servers: Servers) -> list[str]:
    with psycopg.connect(servers.database_url.replace("+psycopg", ""), autocommit=True) as books:
        tables = books.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return [
            repr(row)
            for (name,) in tables
            for row in books.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(name)))
        ]
