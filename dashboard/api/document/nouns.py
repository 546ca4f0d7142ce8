"""What the schemas of bodies are, in a sentence each; the docstring of a schema comes first."""

BASES = {
    "ApiKeyWithSecret": "ApiKey", "ExplainedTransaction": "Transaction", "HoldCaptureResult": "Hold",
    "MemberUpdateResult": "Member", "OrgDetails": "Org", "OrgTerms": "Org", "PlatformTransaction": "Transaction",
    "ProductCreate": "Product", "ProductUpdate": "Product", "SpendLimitCreate": "SpendLimit",
    "SpendLimitUpdate": "SpendLimit", "TestedLimit": "SpendLimit", "WalletMovementResult": "Wallet",
}  # fmt: skip
"""Schemas whose fields mean what they mean in another one."""

SCHEMAS = {
    "AuditObject": "What an entry is about.",
    "Checkout": "Where to send the payer.",
    "ExplainedTransaction": "A transaction with what caused it and what followed.",
    "ExplanationStep": "One step of what happened, for people.",
    "FieldError": "What is wrong with one field.",
    "GrantSlice": "Credit that a transaction added: paid or promotional.",
    "HoldCapture": "How much of a hold to charge.",
    "HoldCaptureResult": "The hold after the call, with the charge.",
    "HoldExtension": "When the hold shall expire.",
    "HoldRelease": "Nothing but the idempotency key.",
    "Org": "An organization: a customer of the platform.",
    "TransactionActor": "Who acted.",
    "Batch": "Events of one call; either all that can be are recorded, or none.",
    "Metrics": "All metrics.",
    "NewMetric": "Something that can be used and is counted.",
    "ListedPrice": "A version of a price.",
    "MetricSet": "Something that can be used and is counted.",
    "PriceList": "Metrics with their prices.",
    "PriceSet": "A price of a metric, from `effective_from` (default: now) on.",
    "PriceVersion": "A price, from `effective_from` on.",
    "Tier": "The price of the units up to a position.",
    "UsageEvent": "Something that was used, and what it cost.",
    "UsageEvents": "A page of a list.",
    "UsageSums": "Sums per day, metric and group.",
    "User": "A person with an account.",
    "WalletMovementResult": "The wallet after the call, with the transaction that the call made.",
}


def of_schema(schema: str) -> str:
    """The sentence about a schema; empty if there is none."""
    return SCHEMAS.get(schema) or ("A page of a list." if schema.endswith("List") else "")
