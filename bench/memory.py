"""`python -m bench.memory [minutes]`: what the web server holds while batches of usage arrive without pause."""

import random
import sys
import time

from bench import books, load, processor, servers
from bench.gunicorn_site import serving
from bench.over_http import BATCH, CONNECTIONS, ORGS, batch, callers_of

MINUTES, STEP_SECONDS, BODIES = 10, 60, 400


def main(minutes: int) -> None:
    with servers.running() as cluster, cluster.database("memory") as database:
        books.add_orgs(database, ORGS)
        books.fund(database)
        callers = callers_of(database)
        with serving(database) as site:
            _post(site.port, callers, 5)  # imports, connections
            print(f"start: {processor.resident(site.pid)} MiB", flush=True)
            events, started = 0, time.monotonic()
            while (passed := time.monotonic() - started) < minutes * 60:
                events += _post(site.port, callers, min(STEP_SECONDS, minutes * 60 - passed))
                print(f"{(time.monotonic() - started) / 60:.0f} min, {events:,} events: "
                      f"{processor.resident(site.pid)} MiB", flush=True)  # fmt: skip
        checked = books.check(database)
        print(f"{checked}; {checked.broken or 'nothing broken'}")


def _post(port: int, callers: list[tuple[str, str]], seconds: float) -> int:
    """How many events were taken. A body that comes again reports duplicates, so there are enough new ones."""
    found = load.post(port, [batch(random.choice(callers)) for _ in range(BODIES)], seconds, connections=CONNECTIONS)
    if found.refused:
        raise RuntimeError(f"{found.refused} of {found.requests} requests were refused; see the server's log")
    return found.requests * BATCH


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else MINUTES)
