"""Charge your customers' requests exactly once, whatever the network does.

    pip install requests
    export COFFER=http://127.0.0.1:8000 KEY=cof_test_...   # a key with the scope wallet:charge
    python charge.py 300 chat-api                          # 300 requests of the app chat-api

The idempotency key makes a repeated call safe: Coffer charges once per key, for ever. So a call that got no answer is
simply sent again with the same key.
"""

import os
import random
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import requests

WALLET = f"{os.environ['COFFER']}/api/v1/orgs/{os.environ.get('ORG', 'self')}/wallet"
PATIENCE_SECONDS = 60.0
local = threading.local()


class OutOfCredit(Exception):
    """The wallet, or the key's cap, does not cover this charge. Ask the customer to buy credits."""


def charge(micros: int, description: str, *, key: str, app: str) -> dict:
    """The transaction of this charge. Tries for a minute. Raises OutOfCredit, TimeoutError, and RuntimeError for a call
    that cannot succeed."""
    body = {"operation": "charge", "amount_micros": micros, "description": description, "app": app}
    end, tries = time.monotonic() + PATIENCE_SECONDS, 0
    while True:
        pause = min(4.0, 0.05 * 2**tries) * random.uniform(0.5, 1)
        try:
            answer = session().post(WALLET, json=body, headers={"Idempotency-Key": key}, timeout=5)
            problem = {} if answer.ok else problem_in(answer)
            if answer.status_code == 201:
                return answer.json()["transaction"]
        except (requests.RequestException, ValueError):  # no answer, or only a part of one
            pass
        else:
            if answer.status_code == 402:
                raise OutOfCredit(problem["detail"])
            if answer.status_code < 500 and answer.status_code not in (408, 425, 429):
                raise RuntimeError(f"{answer.status_code}: {problem.get('detail')} ({problem.get('request_id')})")
            pause = max(pause, float(answer.headers.get("Retry-After", 0)) * random.uniform(1, 1.3))
        tries += 1
        if time.monotonic() + pause > end:
            raise TimeoutError(f"Coffer did not answer for {key}; the same key may be sent again later")
        time.sleep(pause)


def problem_in(answer: requests.Response) -> dict:
    """The error as Coffer describes it; empty for an answer of something in between, such as a proxy."""
    return answer.json() if "problem+json" in answer.headers.get("Content-Type", "") else {}


def session() -> requests.Session:
    """One connection pool per thread."""
    if not hasattr(local, "session"):
        local.session = requests.Session()
        local.session.headers["Authorization"] = f"Bearer {os.environ['KEY']}"
    return local.session


def main() -> None:
    count, app = int(sys.argv[1]), sys.argv[2]
    # Take the id of your own request, job or message as key: it outlives a crash of this program.
    keys = [f"{app}-{uuid.uuid4()}" for _ in range(count)]
    with ThreadPoolExecutor(6) as pool:
        rows = list(pool.map(lambda key: charge(100, "One request", key=key, app=app), keys))
    print(f"{count} requests, {len({row['id'] for row in rows})} charges")


if __name__ == "__main__":
    main()
