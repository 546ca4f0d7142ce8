"""The hosted payment page: plain HTML, one form per button, no script."""

from html import escape
from urllib.parse import urlsplit

from tests.stripe_fake.signing import Json

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #f3f4f6; color: #111827; }
main { box-sizing: border-box; width: min(28rem, 100% - 2rem); margin: 2rem 0; padding: 1.75rem; border-radius: 12px;
  background: #fff; box-shadow: 0 1px 3px rgb(0 0 0 / 15%); }
h1 { margin: 0 0 .25rem; font-size: 1.25rem; }
.sum { margin: 0 0 1rem; font-size: 2rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.items { margin: 0 0 1.25rem; padding: 0; list-style: none; }
.items li { display: flex; justify-content: space-between; gap: 1rem; padding: .5rem 0; border-top: 1px solid #e5e7eb; }
.alert { padding: .75rem 1rem; border-radius: 8px; background: #fef2f2; color: #991b1b; }
.test { color: #4b5563; font-size: .875rem; }
form { display: grid; gap: .625rem; }
button { min-height: 2.75rem; padding: 0 1rem; border: 1px solid #6b7280; border-radius: 8px; background: transparent;
  color: inherit; font: inherit; cursor: pointer; }
button.main { border-color: #3730a3; background: #3730a3; color: #fff; }
button:focus-visible { outline: 3px solid #818cf8; outline-offset: 2px; }
@media (prefers-color-scheme: dark) {
  body { background: #111827; color: #f9fafb; }
  main { background: #1f2937; }
  .items li { border-color: #374151; }
  .test { color: #d1d5db; }
  .alert { background: #450a0a; color: #fecaca; }
}
"""

# The action's name, its words, its look.
BUTTONS = (
    ("pay", "Pay", "main"),
    ("pay_later", "Pay later (bank debit)", ""),
    ("decline", "Pay with a declined card", ""),
    ("cancel", "Cancel and go back", ""),
)


def policy(session: Json | None = None) -> str:
    """Content-Security-Policy. Browsers hold redirects after a form to `form-action` too, so our targets are in it."""
    urls = [session[name] for name in ("success_url", "cancel_url") if session[name]] if session else []
    targets = " ".join(sorted({"{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in urls}))
    fixed = "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'; form-action 'self'"
    return f"{fixed} {targets}".strip()


def money(minor: int, currency: str) -> str:
    return f"{minor // 100:,}.{minor % 100:02d} {currency.upper()}"


def checkout(session: Json, items: list[Json], declined: bool) -> str:
    """The page of an open session."""
    lines = "".join(
        f"<li><span>{escape(item['description'])} × {item['quantity']}</span>"
        f"<span>{money(item['amount_total'], item['currency'])}</span></li>"
        for item in items
    )
    buttons = "".join(
        f'<button name="action" value="{name}" class="{look}">{words}</button>' for name, words, look in BUTTONS
    )
    alert = '<p class="alert" role="alert">Your card was declined. Nothing was charged.</p>' if declined else ""
    buyer = escape(session["customer_email"] or "the buyer")
    return _page(
        "Pay",
        f"<h1>Pay as {buyer}</h1>"
        f'<p class="sum">{money(session["amount_total"], session["currency"])}</p>'
        f'{alert}<ul class="items">{lines}</ul>'
        f'<form method="post" action="/c/pay/{escape(session["id"])}">{buttons}</form>'
        '<p class="test">A stand-in for tests. No money moves.</p>',
    )


def closed(session: Json | None) -> str:
    words = "There is no such payment page." if session is None else f"This payment page is {session['status']}."
    return _page("Closed", f"<h1>{escape(words)}</h1>")


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="/c/style.css"></head><body><main>{body}</main></body></html>'
    )
