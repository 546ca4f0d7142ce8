"""What templates and static files may hold. The content security policy refuses the rest, in browsers only."""

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
LONGEST = 150
BUDGETS = {"static/css/app.css": 48 * 1024, "static/js/app.js": 16 * 1024}

FORBIDDEN = {
    "an inline style": r"\sstyle\s*=",
    "a style element": r"<style\b",
    "an inline handler": r"\son[a-z]+\s*=",
    "a script without src": r"<script(?![^>]*\ssrc=)",
    "hx-on": r"\bhx-on\b",
    "hx-live": r"\bhx-live\b",
    "hx-boost": r"\bhx-boost\b",
    "a trigger filter": r"hx-trigger\s*=\s*[\"'][^\"']*\[",
    "a js: value": r"[\"'\s](?:js|javascript):",
    "unescaped output": r"\|\s*safe\b",
    "escaping switched off": r"autoescape\s+false",
    "a PUT, PATCH or DELETE": r"\bhx-(?:put|patch|delete)\b|method\s*=\s*[\"']?(?:put|patch|delete)",
    "an address of another host": r"(?:src|href|action)\s*=\s*[\"']?(?:https?:)?//",
    "a link that leads nowhere": r"\shref\s*=\s*[\"']#?[\"']",
    "htmx 2's name": r"\bhx-(?:disabled-elt|ext)\b|\bsse-connect\b|htmx:(?:configRequest|responseError|sendError)",
}


MAILS = "templates/emails/"
STYLED = ("an inline style", "a style element")
"""Mail programs know no style sheet of a site and no policy: there, and only there, looks stand in the markup."""


def sources() -> list[tuple[str, str]]:
    return [(str(path.relative_to(ROOT)), path.read_text()) for path in TEMPLATES]


def markup(text: str) -> str:
    return re.sub(r"\{#.*?#\}", "", text, flags=re.DOTALL)


def tags(text: str, name: str = r"[a-zA-Z][\w-]*") -> list[str]:
    """Opening tags, with Jinja's own `>` inside left alone."""
    return re.findall(rf"<{name}(?=[\s>{{])(?:\{{%.*?%\}}|\{{\{{.*?\}}\}}|[^>])*>", markup(text), flags=re.DOTALL)


@pytest.mark.parametrize("what", FORBIDDEN)
def test_templates_hold_nothing_the_policy_refuses(what: str) -> None:
    found = [
        path
        for path, text in sources()
        if re.search(FORBIDDEN[what], markup(text), flags=re.IGNORECASE)
        and not (what in STYLED and path.startswith(MAILS))
    ]
    assert not found, f"{what} in {found}"


def test_the_lint_finds_what_it_looks_for() -> None:
    text = """<p style="x"><style><a onclick="x"><script>x</script><p hx-on:click="x"><p hx-live="x">
        <p hx-boost="true"><p hx-trigger="click[a]"><a href="javascript:x">{{ x|safe }}{% autoescape false %}
        <p hx-delete="/x"><img src="//x.test/"><a href="#"><p hx-disabled-elt="this">"""
    missed = [what for what, pattern in FORBIDDEN.items() if not re.search(pattern, text, flags=re.IGNORECASE)]
    assert not missed


def test_every_form_that_posts_carries_a_token() -> None:
    for path, text in sources():
        for form in re.findall(r"<form\b.*?</form>", markup(text), flags=re.DOTALL):
            if re.search(r"method\s*=\s*[\"']?post", form, flags=re.IGNORECASE):
                assert "csrf()" in form or 'name="csrf_token"' in form, f"{path}: a form without csrf_token"


def test_every_form_names_its_method_and_action() -> None:
    for path, text in sources():
        for form in tags(text, "form"):
            assert re.search(r'\saction="', form), f"{path}: {form}"
            assert re.search(r'\smethod="(get|post)"', form), f"{path}: {form}"


def test_fields_give_back_what_was_typed() -> None:
    """What is only shown loses marks that turn text around; a field must send back what it got."""
    for path, text in sources():
        for value in re.findall(r'(?<![\w-])value="\{\{ (.*?) \}\}"', markup(text)):
            assert value.endswith("|typed") or value == "csrf_token()", f"{path}: {value}"


def test_everything_htmx_loads_works_without_it() -> None:
    """Beside each hx-get and hx-post stands a link or form of the same element; polls say so with data-quiet."""
    for path, text in sources():
        for tag in tags(text):
            if re.search(r"\shx-(get|post)\s*=", tag) and "data-quiet" not in tag:
                within = re.search(r'\s(?:href|action|formaction)="', tag) or "data-preview" in tag
                assert within, f"{path}: {tag[:120]} has no href or action"


def test_templates_are_short() -> None:
    long = {path: lines for path, text in sources() if (lines := text.count("\n")) > LONGEST}
    assert not long


@pytest.mark.parametrize("path", BUDGETS)
def test_own_static_files_stay_small(path: str) -> None:
    size = (ROOT / path).stat().st_size
    assert size < BUDGETS[path], f"{path} has {size} bytes, {BUDGETS[path]} are allowed"


def test_colours_stand_in_the_tokens_layer_only() -> None:
    css = (ROOT / "static/css/app.css").read_text()
    before, tokens, after = re.split(r"(@layer tokens \{.*?\n\})", css, maxsplit=1, flags=re.DOTALL)
    assert "light-dark" in tokens
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(|\boklch\(", before + after)
    assert not re.findall(r"font-size:\s*[\d.]+px", css)
    assert css.count("!important") == 1


@pytest.mark.parametrize("folder", ["static/vendor", "tests/browser/vendor"])
def test_vendored_files_are_the_ones_written_down(folder: str) -> None:
    written = dict(
        re.findall(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", (ROOT / folder / "README.md").read_text(), re.M)
    )
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (ROOT / folder).glob("*.js")}
    assert files == written
    assert files


def test_password_fields_are_masked_and_let_managers_in() -> None:
    asked = 0
    for name, text in sources():
        assert "onpaste" not in text, name
        for call in re.findall(r'field\("(?:new_|confirm_)?password".*', text):
            assert 'type="password"' in call, name
            assert re.search(r'"autocomplete": "(current|new)-password"', call), name
            asked += 1
    assert asked >= 5
