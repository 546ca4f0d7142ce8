"""Text that people and programs send, kept from turning or hiding the text around it wherever it is shown."""

import re

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"

# Letters and marks that are written from right to left.
_RTL = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff"
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_DIRECTIONS = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_RTL_RUN = re.compile(rf"[{_RTL}](?:[\W_{_RTL}]*[{_RTL}])?")


def readable(text: str) -> str:
    """`text` without marks that change its direction; other control characters become a replacement character, and
    words that are written from right to left are put in an isolate, so that what follows them, such as an amount, stays
    in its place."""
    text = _CONTROLS.sub("\ufffd", text)
    if text.isascii():
        return text
    text = _DIRECTIONS.sub("", text)
    return _RTL_RUN.sub(lambda run: f"{FIRST_STRONG_ISOLATE}{run[0]}{POP_ISOLATE}", text)
