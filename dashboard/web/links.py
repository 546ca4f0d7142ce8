"""Pages of links in emails: confirm an address, set a new password. Opening one changes nothing, because programs that
scan emails follow links; its form does."""

from flask import Blueprint, Response, request, url_for
from flask_login import current_user

from dashboard.core.errors import Invalid
from dashboard.domain.people import accounts, email_change, email_tokens
from dashboard.web import device_cookie, guards, render

pages = Blueprint("links", __name__)


@pages.get("/verify")
def verification() -> Response:
    return render.render("links/verification.html", values={}, errors={})


@pages.post("/verify")
def verify_again() -> Response:
    """Send the link again. We do not know for whom, so the response is always the same."""
    email = current_user.email if current_user.is_authenticated else request.form.get("email", "")
    try:
        accounts.ask_verification(email, ip=request.remote_addr or "")
    except Invalid as refusal:
        return render.invalid("links/verification.html", values={"email": email}, errors={"email": refusal.detail})
    if current_user.is_authenticated:
        render.toast_next("We have sent the link again. Check your email.")
        return render.redirect(url_for("account.profile"))
    return render.redirect(url_for(".verification"))


@pages.get("/verify/<token>")
def confirmation(token: str) -> Response:
    link = email_tokens.find(token, email_tokens.VERIFY)
    return render.render("links/confirmation.html", email=link.email)


@pages.post("/verify/<token>")
def confirm(token: str) -> Response:
    user = accounts.verify(token, mode=guards.platform_mode())
    render.toast_next("Your address is confirmed.")
    same = current_user.is_authenticated and current_user.id == user.id
    return render.redirect(url_for("auth.start" if same else "auth.login"))


@pages.get("/forgot")
def forgot() -> Response:
    return render.render("links/forgot.html", values={}, errors={}, sent="sent" in request.args)


@pages.post("/forgot")
def ask_reset() -> Response:
    email = request.form.get("email", "")
    try:
        accounts.ask_reset(email, ip=request.remote_addr or "")
    except Invalid as refusal:
        return render.invalid("links/forgot.html", values={"email": email}, errors={"email": refusal.detail})
    return render.redirect(url_for(".forgot", sent=1))


@pages.get("/reset/<token>")
def new_password(token: str) -> Response:
    link = email_tokens.find(token, email_tokens.RESET)
    return render.render("links/reset.html", email=link.email, errors={})


@pages.post("/reset/<token>")
def reset(token: str) -> Response:
    try:
        user = accounts.reset(token, request.form.get("password", ""), mode=guards.platform_mode())
    except Invalid as refusal:
        link = email_tokens.find(token, email_tokens.RESET)
        return render.invalid("links/reset.html", email=link.email, errors={"password": refusal.detail})
    render.toast_next("Your new password is set. You are signed out everywhere; sign in with it.")
    response = render.redirect(url_for("auth.login"))
    device_cookie.remember(response, user.id)  # so that limits which strangers have used up do not stop the user here
    return response


@pages.get("/email-change/<token>")
def email_change_link(token: str) -> Response:
    link = email_tokens.find(token, *email_change.BOTH)
    return render.render("links/email_change.html", user=link.user, change=email_change.pending(link.user))


@pages.post("/email-change/<token>")
def answer_email_change(token: str) -> Response:
    link = email_tokens.find(token, *email_change.BOTH)
    if request.form.get("answer") == "call-off":
        email_change.call_off(link.user)
        words = "The change was cancelled. The address stays unchanged."
    elif email_change.agree(link):
        words = "Your address was changed. Sign in with the new one from now on."
    else:
        words = "Confirmed. The address changes when the link in the other mail is confirmed too."
    render.toast_next(words)
    return render.redirect(url_for("account.profile" if current_user.is_authenticated else "auth.login"))
