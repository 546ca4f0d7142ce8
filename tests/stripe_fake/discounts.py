"""Coupons and the promotion codes under which buyers name them."""

from typing import TYPE_CHECKING

from tests.stripe_fake import shapes
from tests.stripe_fake.model import Account, Refusal
from tests.stripe_fake.signing import Json, example

if TYPE_CHECKING:
    from tests.stripe_fake.state import Fake


def create_coupon(fake: "Fake", account: Account, params: Json, _: str) -> Json:
    if ("percent_off" in params) == ("amount_off" in params):
        raise Refusal(400, "parameter_missing", "Name either percent_off or amount_off.", "percent_off")
    made = example("coupon.deleted") | {
        "id": params.get("id") or shapes.new_id("co"),
        "created": int(fake.clock()),
        "livemode": account.livemode,
        "times_redeemed": 0,
        "valid": True,
        "metadata": params.get("metadata", {}),
        "duration": params.get("duration", "once"),
        **({"applies_to": params["applies_to"]} if "applies_to" in params else {}),
    }
    made |= {
        field: params.get(field)
        for field in ("amount_off", "currency", "percent_off", "max_redemptions", "redeem_by", "name")
    }
    account.things[made["id"]] = made
    return made


def create_promotion_code(fake: "Fake", account: Account, params: Json, _: str) -> Json:
    coupon = account.find(params["promotion"]["coupon"], "coupon", "promotion[coupon]")
    code = params.get("code") or shapes.new_id("")[1:9].upper()
    if any(_said(one, code) and live(fake, account, one) for one in account.newest("promotion_code")):
        raise Refusal(400, "resource_already_exists", "An active promotion code with that code exists.", "code")
    restrictions = {"first_time_transaction": False, "minimum_amount": None, "minimum_amount_currency": None}
    made = example("promotion_code.updated") | {
        "id": shapes.new_id("promo"),
        "created": int(fake.clock()),
        "livemode": account.livemode,
        "active": params.get("active", True),
        "code": code,
        "customer": params.get("customer"),
        "expires_at": params.get("expires_at"),
        "max_redemptions": params.get("max_redemptions"),
        "metadata": params.get("metadata", {}),
        "promotion": {"type": "coupon", "coupon": coupon["id"]},
        "restrictions": restrictions | params.get("restrictions", {}),
        "times_redeemed": 0,
    }
    account.things[made["id"]] = made
    return made


def update_promotion_code(fake: "Fake", account: Account, params: Json, id_: str) -> Json:
    found = account.find(id_, "promotion_code")
    found |= {field: params[field] for field in ("active", "metadata") if field in params}
    return found


def list_promotion_codes(fake: "Fake", account: Account, params: Json, _: str) -> Json:
    """`active` is computed again: a code ends by its time and by its use."""
    rows = [one | {"active": live(fake, account, one)} for one in account.newest("promotion_code")]
    rows = [one for one in rows if "code" not in params or _said(one, params["code"])]
    rows = [one for one in rows if one["active"] == params.get("active", one["active"])]
    return {"object": "list", "data": rows[: params.get("limit", 10)], "has_more": False, "url": "/v1/promotion_codes"}


def live(fake: "Fake", account: Account, code: Json) -> bool:
    coupon = account.things[code["promotion"]["coupon"]]
    ends = [moment for moment in (code["expires_at"], coupon["redeem_by"]) if moment]
    spent = any(one["max_redemptions"] and one["times_redeemed"] >= one["max_redemptions"] for one in (code, coupon))
    return bool(code["active"] and coupon["valid"] and not spent and all(moment > fake.clock() for moment in ends))


def apply(fake: "Fake", account: Account, session: Json, items: list[Json], params: Json) -> None:
    """Takes the session's discount off its first line."""
    for index, asked in enumerate(params.get("discounts", [])):
        param = f"discounts[{index}][promotion_code]"
        code = account.find(asked.get("promotion_code", ""), "promotion_code", param)
        if not live(fake, account, code):
            raise Refusal(400, "promotion_code_expired", "This promotion code is expired or was used up.", param)
        least = code["restrictions"]["minimum_amount"]
        if least and session["amount_subtotal"] < least:
            raise Refusal(400, None, "The order is below the promotion code's minimum amount.", param)
        coupon = account.things[code["promotion"]["coupon"]]
        percent = int((coupon["percent_off"] or 0) * 100)
        off = min(session["amount_subtotal"], coupon["amount_off"] or session["amount_subtotal"] * percent // 10_000)
        items[0] |= {"amount_discount": off, "amount_total": items[0]["amount_total"] - off}
        session["amount_total"] -= off
        session["total_details"] = session["total_details"] | {"amount_discount": off}
        session["discounts"] = [{"coupon": None, "promotion_code": code["id"]}]


def redeem(account: Account, session: Json) -> None:
    """A code counts when the session is complete, not when it is opened."""
    for one in session.get("discounts") or []:
        code = account.things.get(one["promotion_code"])
        for spent in (code, code and account.things[code["promotion"]["coupon"]]):
            if spent:
                spent["times_redeemed"] += 1


def _said(one: Json, code: str) -> bool:
    return str(one["code"]).lower() == code.lower()
