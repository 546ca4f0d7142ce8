"""Text from outside cannot turn, hide or move what stands around it."""

import pytest
from flask import Flask, render_template_string

from dashboard.core.mail import render
from dashboard.core.readable import readable

RLO, PDF, RLI, LRM, FSI, PDI = "\u202e", "\u202c", "\u2067", "\u200e", "\u2068", "\u2069"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, 5 days", "plain, 5 days"),
        ("line\none\ttab", "line\none\ttab"),
        (f"a{RLO}txt.exe{PDF}b", "atxt.exeb"),
        (f"{RLI}{LRM}x{PDI}", "x"),
        ("bell\x07 esc\x1b[2J nul\x00 next\x85", "bell\ufffd esc\ufffd[2J nul\ufffd next\ufffd"),
        ("two\u2028lines", "two\ufffdlines"),
        ("שלום", f"{FSI}שלום{PDI}"),
        ("to שלום עולם for $5", f"to {FSI}שלום עולם{PDI} for $5"),
        ("مرحبا 100 مرحبا", f"{FSI}مرحبا{PDI} 100 {FSI}مرحبا{PDI}"),
        ("naïve 👩‍👩‍👧 Ünïcödé 東京", "naïve 👩‍👩‍👧 Ünïcödé 東京"),
    ],
)
def test_directions_and_controls_are_taken_out(text: str, shown: str) -> None:
    assert readable(text) == shown
    assert readable(shown) == shown or FSI in shown


def test_every_template_shows_it_so_and_forms_give_it_back(app: Flask) -> None:
    text = f"<b>{RLO}שלום"
    page = "{{ text }}|<p title=\"{{ text }}\">|{{ 'Hello ' ~ text }}|{{ text|typed }}"
    with app.test_request_context():
        shown = f"&lt;b&gt;{FSI}שלום{PDI}"
        wanted = f'{shown}|<p title="{shown}">|Hello {shown}|&lt;b&gt;{RLO}שלום'
        assert render_template_string(page, text=text) == wanted


def test_mails_show_it_so(app: Flask) -> None:
    context = {
        "org": f"A{RLO}cme", "inviter": f"{RLO}Olga\x1b", "address": "a@b.test", "role": "owner",
        "may": "All.", "expires": "1 Dec 2026", "link": "https://x.test/i", "base": "https://x.test", "token": "t",
    }  # fmt: skip
    with app.app_context():
        mail = render("invite", context)
    for part in (mail.subject, mail.text, mail.html):
        assert RLO not in part
        assert "\x1b" not in part
