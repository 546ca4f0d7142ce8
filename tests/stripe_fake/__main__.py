"""`python -m tests.stripe_fake --port N --webhook-url URL --webhook-secret whsec_...`"""

import argparse
import contextlib

from tests.stripe_fake.delivery import PLAIN, Plan
from tests.stripe_fake.server import FakeServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.stripe_fake", description="A stand-in for Stripe, for tests only.")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--webhook-url", help="where to deliver events")
    parser.add_argument("--webhook-secret", default="whsec_fake")
    parser.add_argument("--plain", action="store_true", help="each event once, at once and in order")
    parser.add_argument("--copies", type=int, default=Plan.copies)
    parser.add_argument("--max-delay", type=float, default=Plan.delay[1], help="seconds")
    parser.add_argument("--seed", type=int, help="of the delays")
    args = parser.parse_args()
    plan = PLAIN if args.plain else Plan(args.copies, (min(0.02, args.max_delay), args.max_delay), seed=args.seed)
    with FakeServer(args.port, plan) as server, contextlib.suppress(KeyboardInterrupt):
        if args.webhook_url:
            server.courier.deliver_to(args.webhook_url, args.webhook_secret)
        print(server.url, flush=True)
        server.wait()


main()
