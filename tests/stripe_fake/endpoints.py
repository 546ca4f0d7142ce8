"""What each endpoint does. Parameters have passed the contract; answers are checked by the caller."""

import copy
import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.stripe_fake import discounts, shapes
from tests.stripe_fake.model import Account, Call, Refusal
from tests.stripe_fake.signing import Json

if TYPE_CHECKING:
    from tests.stripe_fake.state import Fake

Endpoint = Callable[["Fake", Account, Json, str], Json]


def run(fake: "Fake", account: Account, call: Call) -> Json:
    for wanted, pattern, endpoint in ROUTES:
        found = re.fullmatch(pattern, call.path)
        if found and wanted == call.method:
            answer = copy.deepcopy(endpoint(fake, account, call.params, found[1] if found.groups() else ""))
            for names in call.params.get("expand", ()):
                _expand(account, answer, names.split("."))
            return answer
    raise Refusal(404, None, f"Unrecognized request URL ({call.method}: {call.path}).")


def _expand(account: Account, thing: Any, names: list[str]) -> None:
    if isinstance(thing, list):
        for item in thing:
            _expand(account, item, names)
    elif names:
        name = names[0]
        if name == "line_items" and thing.get("object") == "checkout.session":
            thing[name] = _page(account.lines[thing["id"]], {}, f"/v1/checkout/sessions/{thing['id']}/line_items")
        if name == "applies_to" and thing["object"] == "coupon" and name not in thing:
            return  # told of coupons for certain products only
        if name not in thing:
            raise Refusal(400, None, f"This property cannot be expanded ({name}).", "expand")
        if isinstance(thing[name], str) and thing[name] in account.things:
            thing[name] = copy.deepcopy(account.things[thing[name]])
        if thing[name] is not None:
            _expand(account, thing[name], names[1:])


def _page(found: list[Json], params: Json, url: str) -> Json:
    """One page of a list: `limit`, `starting_after`, and the filters of `_fits`."""
    after = params.get("starting_after")
    ids = [thing["id"] for thing in found]
    if after is not None and after not in ids:
        raise Refusal(400, "resource_missing", f"No such object: '{after}'", "starting_after")
    rest = [thing for thing in found[ids.index(after) + 1 if after else 0 :] if _fits(thing, params)]
    limit = params.get("limit", 10)
    return {"object": "list", "data": rest[:limit], "has_more": len(rest) > limit, "url": url}


def _listing(kind: str, url: str) -> Endpoint:
    def listing(fake: "Fake", account: Account, params: Json, _: str) -> Json:
        return _page(account.newest(kind), params, url)

    return listing


def _fits(thing: Json, params: Json) -> bool:
    judges = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
    if not all(judges[bound](thing["created"], moment) for bound, moment in params.get("created", {}).items()):
        return False
    if thing.get("type") not in params.get("types", [thing.get("type")]):
        return False
    if thing["id"] not in params.get("ids", [thing["id"]]):
        return False
    if thing.get("lookup_key") not in params.get("lookup_keys", [thing.get("lookup_key")]):
        return False
    names = ("customer", "payment_intent", "status", "active", "type", "email", "product", "currency")
    return all(thing.get(name) == params[name] for name in names if name in params)


def _getting(kind: str) -> Endpoint:
    def getting(fake: "Fake", account: Account, params: Json, id_: str) -> Json:
        return account.find(id_, kind)

    return getting


def _keep(fake: "Fake", account: Account, thing: Json, event: str | None = None) -> Json:
    account.things[thing["id"]] = thing
    if event:
        fake.emit(account, [(event, thing)])
    return thing


def create_customer(fake: "Fake", account: Account, params: Json, _: str) -> Json:
    return _keep(fake, account, shapes.customer(params, livemode=account.livemode, now=int(fake.clock())))


def update_customer(fake: "Fake", account: Account, params: Json, id_: str) -> Json:
    customer = account.find(id_, "customer")
    if "deleted" in customer:
        raise Refusal(404, "resource_missing", f"No such customer: '{id_}'", "id")
    customer |= {name: params[name] for name in ("name", "email", "metadata", "description") if name in params}
    return customer


def delete_customer(fake: "Fake", account: Account, params: Json, id_: str) -> Json:
    last = account.find(id_, "customer")
    account.things[id_] = {"id": id_, "object": "customer", "deleted": True}
    fake.emit(account, [("customer.deleted", last)])
    return account.things[id_]


def create_product(fake: "Fake", account: Account, params: Json, _: str) -> Json:
    if params.get("id") in account.things:
        raise Refusal(400, "resource_already_exists", f"Product already exists: '{params['id']}'", "id")
    return _keep(fake, account, shapes.product(params, livemode=account.livemode, now=int(fake.clock())))


def update_product(fake: "Fake", account: Account, params: Json, id_: str) -> Json:
    product = account.find(id_, "product")
    product |= {name: params[name] or None for name in ("name", "description") if name in params}
    product |= {name: params[name] for name in ("active", "metadata") if name in params}
    return product


def _take_lookup_key(account: Account, params: Json, of: str = "") -> None:
    """A key belongs to one price; it moves only where that is asked for."""
    key = params.get("lookup_key")
    for other in account.newest("price"):
        if key and other["lookup_key"] == key and other["id"] != of:
            if not params.get("transfer_lookup_key"):
                raise Refusal(400, None, f"A price already uses that lookup key: '{key}'.", "lookup_key")
            other["lookup_key"] = None


def create_price(fake: "Fake", account: Account, params: Json, _: str) -> Json:
    if "product" in params:
        product_id = account.find(params["product"], "product", "product")["id"]
    elif "product_data" in params:
        product_id = create_product(fake, account, params["product_data"], "")["id"]
    else:
        raise Refusal(400, "parameter_missing", "You must specify either `product` or `product_data`.", "product")
    _take_lookup_key(account, params)
    return _keep(fake, account, shapes.price(params, product_id, livemode=account.livemode, now=int(fake.clock())))


def update_price(fake: "Fake", account: Account, params: Json, id_: str) -> Json:
    price = account.find(id_, "price")
    _take_lookup_key(account, params, of=id_)
    price |= {name: params[name] for name in ("active", "metadata", "nickname", "lookup_key") if name in params}
    return price


def create_session(fake: "Fake", account: Account, params: Json, _: str) -> Json:
    if params.get("mode") != "payment":
        raise Refusal(400, "parameter_missing", "This fake opens sessions of mode payment only.", "mode")
    for name in ("success_url", "line_items"):
        if not params.get(name):
            raise Refusal(400, "parameter_missing", f"Missing required param: {name}.", name)
    if "customer" in params and "customer_email" in params:
        raise Refusal(400, None, "You may only specify one of these parameters: customer, customer_email.", "customer")
    if "customer" in params and "deleted" in account.find(params["customer"], "customer", "customer"):
        raise Refusal(400, "resource_missing", f"No such customer: '{params['customer']}'", "customer")
    if fake.refuse_sessions:
        raise fake.refuse_sessions
    items = [_line(fake, account, line, index) for index, line in enumerate(params["line_items"])]
    known = account.things.get(params.get("customer", ""), {}).get("currency")
    if known and any(item["currency"] != known for item in items):
        raise Refusal(400, None, f"You cannot combine currencies on a single customer, which pays in {known}.")
    made = shapes.session(params, items, base_url=fake.base_url, livemode=account.livemode, now=int(fake.clock()))
    discounts.apply(fake, account, made, items, params)
    account.lines[made["id"]] = items
    account.intent_metadata[made["id"]] = params.get("payment_intent_data", {}).get("metadata", {})
    return _keep(fake, account, made)


def _line(fake: "Fake", account: Account, line: Json, index: int) -> Json:
    if "price" in line:
        param = f"line_items[{index}][price]"
        priced = account.find(line["price"], "price", param)
        if not priced["active"]:
            raise Refusal(400, "price_inactive", "The price specified is inactive.", param)
        if not account.things[priced["product"]]["active"]:
            raise Refusal(400, None, "The price specified belongs to an inactive product.", param)
    elif "price_data" in line:
        priced = create_price(fake, account, line["price_data"], "")
    else:
        raise Refusal(400, "parameter_missing", "Missing required param: price.", f"line_items[{index}][price]")
    return shapes.line_item(priced, line.get("quantity", 1), account.things[priced["product"]]["name"])


def expire_session(fake: "Fake", account: Account, params: Json, id_: str) -> Json:
    if account.find(id_, "checkout.session")["status"] != "open":
        raise Refusal(400, None, 'Only Checkout Sessions with a status in ["open"] can be expired.')
    return fake.expire(id_)


def session_lines(fake: "Fake", account: Account, params: Json, id_: str) -> Json:
    account.find(id_, "checkout.session")
    return _page(account.lines[id_], params, f"/v1/checkout/sessions/{id_}/line_items")


def get_account(fake: "Fake", account: Account, params: Json, _: str) -> Json:
    return {"id": account.id, "object": "account", "country": "US", "default_currency": "usd", "type": "standard"}


def get_balance(fake: "Fake", account: Account, params: Json, _: str) -> Json:
    return {"object": "balance", "available": [], "pending": [], "livemode": account.livemode}


_ID = "([^/]+)"
ROUTES: list[tuple[str, str, Endpoint]] = [
    ("POST", "/v1/customers", create_customer),
    ("POST", f"/v1/customers/{_ID}", update_customer),
    ("DELETE", f"/v1/customers/{_ID}", delete_customer),
    ("POST", "/v1/products", create_product),
    ("POST", f"/v1/products/{_ID}", update_product),
    ("POST", "/v1/coupons", discounts.create_coupon),
    ("POST", "/v1/promotion_codes", discounts.create_promotion_code),
    ("POST", f"/v1/promotion_codes/{_ID}", discounts.update_promotion_code),
    ("GET", "/v1/promotion_codes", discounts.list_promotion_codes),
    ("POST", "/v1/prices", create_price),
    ("POST", f"/v1/prices/{_ID}", update_price),
    ("POST", "/v1/checkout/sessions", create_session),
    ("POST", f"/v1/checkout/sessions/{_ID}/expire", expire_session),
    ("GET", f"/v1/checkout/sessions/{_ID}/line_items", session_lines),
    ("GET", "/v1/account", get_account),
    ("GET", "/v1/balance", get_balance),
]
for _path, _kind in (
    ("/v1/customers", "customer"),
    ("/v1/products", "product"),
    ("/v1/prices", "price"),
    ("/v1/checkout/sessions", "checkout.session"),
    ("/v1/payment_intents", "payment_intent"),
    ("/v1/charges", "charge"),
    ("/v1/invoices", "invoice"),
    ("/v1/events", "event"),
):
    ROUTES += [("GET", _path, _listing(_kind, _path)), ("GET", f"{_path}/{_ID}", _getting(_kind))]
