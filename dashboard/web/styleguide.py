"""`/styleguide`: every component with sample values, in development and test only. Look here before you write a new
one."""

from datetime import date, timedelta
from typing import Any

from flask import Blueprint, Flask, Response, g, request

from dashboard.config import Settings
from dashboard.core import clock
from dashboard.web import charts, render
from dashboard.web.shell import Group, Link, Place, Shell

pages = Blueprint("styleguide", __name__, url_prefix="/styleguide")

SERIES = (
    charts.Series("Output tokens", "s1"),
    charts.Series("Input tokens", "s2"),
    charts.Series("GPU time", "s3"),
    charts.Series("Storage", "s4"),
    charts.Series("Other", "s5"),
)
DAILY = (1_620_000, 740_000, 580_000, 190_000, 60_000)
PACKS = (("a", "$25", "Starter", ""), ("b", "$100", "Team", "+$5 bonus"), ("c", "$500", "Scale", "+$50 bonus"))
BADGES = (
    ("Usage", ""),
    ("Off", ""),
    ("Billing run", "info"),
    ("Scheduled", "info"),
    ("Paid", "ok"),
    ("Active", "ok"),
    ("Pending", "warn"),
    ("Low", "warn"),
    ("Failed", "bad"),
    ("Overdrawn", "bad"),
)


@pages.before_request
def _sample_shell() -> None:
    g.shell_maker = _platform if request.args.get("shell") == "platform" else _organization


@pages.get("")
def show() -> Response:
    name = "admin" if request.args.get("shell") == "platform" else "app"
    return render.render("styleguide/show.html", layout=f"layouts/{name}.html", **_samples())


@pages.route("/form", methods=["GET", "POST"])
def form() -> Response:
    context: dict[str, Any] = {"packs": PACKS, "values": request.form, "errors": {}, "layout": "layouts/app.html"}
    if request.method != "POST":  # also for HEAD, which has no form token
        return render.render("styleguide/form.html", fragment="styleguide/_form.html", **context)
    if request.form.get("quantity") != "1":
        context["errors"] = {"quantity": "Enter 1: this is a sample."}
        return render.invalid("styleguide/form.html", fragment="styleguide/_form.html", **context)
    if render.is_htmx():
        return render.partials("styleguide/_done.html", toast="$100.00 of credits added", close_dialog=True)
    render.toast_next("$100.00 of credits added")
    return render.redirect("/styleguide")


def init_app(app: Flask, settings: Settings) -> None:
    if not settings.production:
        app.register_blueprint(pages)


def _samples() -> dict[str, Any]:
    now = clock.now()
    chart = charts.stacked(_days(now.date()), SERIES)
    by_series = [sum(day.values[i] for day in chart.days) for i in range(len(SERIES))]
    return {
        "chart": chart,
        "by_series": list(zip(SERIES, by_series, strict=True)),
        "empty_chart": charts.stacked([charts.Day(now.date(), (0,), partial=True)], SERIES[:1]),
        "badges": BADGES,
        "now": now,
        "rows": _rows(),
        "packs": PACKS,
        "bad_form": {"amount": "Enter an amount such as 25 or 0.50, with up to 6 decimals.", "reason": "Say why."},
    }


def _days(today: date) -> list[charts.Day]:
    days = []
    for index in range(30):
        day = today - timedelta(days=29 - index)
        weight = (45 if day.weekday() >= 5 else 100) * (80 + index * 37 % 50) // 100
        weight = weight * 31 // 100 if day == today else weight
        days.append(charts.Day(day, tuple(value * weight // 100 for value in DAILY), partial=day == today))
    return days


def _rows() -> list[tuple[str, str, str, str, str, int, int]]:
    """(type, tone, title, detail, by, amount, balance after)"""
    return [
        ("Usage", "", "GPU time", "render-worker · 3 events", "key_live…8f2c", -612, 41_827_346),
        ("Usage", "", "Output tokens", "chat-api · 1,204 tokens", "key_live…8f2c", -18_060, 41_827_958),
        ("Billing run", "info", "Hourly billing run", "1,482 events", "System", -214_380, 41_850_924),
        ("Purchase", "ok", "Starter pack, $25.00", "Visa ending 4242", "Mara Lindqvist", 25_000_000, 42_065_304),
        ("Grant", "ok", "Goodwill grant", "Outage on 17 Nov, ticket 4821", "Platform manager", 5_000_000, 17_065_304),
        ("Refund", "warn", "Refund of Starter pack", "partial", "System", -12_500_000, 12_065_304),
        ("Removal", "bad", "Removed by mistake twice", "ticket 4822", "Platform manager", -27_000_000, -2_434_696),
    ]


def _organization() -> Shell:
    parts = (("Parts", "parts"), ("Chart", "chart"), ("Lists", "lists"), ("Forms", "forms"), ("Details", "details"))
    links = tuple(Link(text, f"/styleguide#{key}", current=key == "parts") for text, key in parts)
    more = (Link("Platform shell", "/styleguide?shell=platform", count="1 failed"), Link("A form", "/styleguide/form"))
    return Shell(
        groups=(Group("Components", links), Group("Other pages", more)),
        home="/styleguide",
        place=Place("Northwind Labs", "/styleguide", "Owner"),
        others=(Place("Fabrikam", "/styleguide", "Viewer"),),
        balance_micros=41_827_346,
        balance_state="warn",
        balance_words="low",
        test_mode=True,
    )


def _platform() -> Shell:
    links = (Link("Platform shell", "/styleguide?shell=platform", current=True), Link("Shell", "/styleguide"))
    return Shell(
        groups=(Group("Other pages", links),),
        home="/styleguide?shell=platform",
        others=(Place("Northwind Labs", "/styleguide", "Owner"),),
    )
