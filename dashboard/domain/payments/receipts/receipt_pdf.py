"""A receipt as one PDF page, drawn from the text of `receipts.facts`.

The fonts that every PDF reader has contain only Western characters. For other names, DejaVu Sans from this machine is
used (Debian: fonts-dejavu-core); a character that no font has becomes a question mark.
"""

import re
import unicodedata
from pathlib import Path
from typing import Any, cast

from fpdf import FPDF
from fpdf.bidi import BidiParagraph

from dashboard.core.mail import one_line

FONTS = Path("/usr/share/fonts/truetype/dejavu")
PLAIN, WIDE = "helvetica", "dejavu"
FILES = {"": "DejaVuSans.ttf", "B": "DejaVuSans-Bold.ttf"}

Colour = tuple[int, int, int]
TEXT, MUTED, LINE, SOFT = (23, 27, 34), (86, 96, 112), (225, 229, 234), (246, 247, 249)
ACCENT, WHITE, WARN, WARN_SOFT = (47, 85, 212), (255, 255, 255), (125, 78, 0), (253, 241, 217)

LEFT, RIGHT = 22.0, 188.0
"""Edges of the text, in millimetres on an A4 page."""

MARK = (
    ((5, 10.5), (5, 16), (17, 16), (17, 10.5), (5, 10.5)),
    ((5, 10.5), (5.4, 7.6), (8, 6), (14, 6), (16.6, 7.6), (17, 10.5)),
    ((11, 9.4), (11, 12.4)),
)
"""The lines of the product's logo, on its grid of 22."""

LINE_HEIGHT = 0.5
"""The height of a line of text: millimetres per point of font size."""

ADDRESS_LINES = 6

_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")


def draw(receipt: dict[str, Any], *, fonts: Path = FONTS) -> bytes:
    """Draw the page. Any name can be drawn; the directory `fonts` may be missing."""
    sheet = _Sheet(receipt["payment_id"], fonts)
    sheet.head(test=receipt["test"])
    sheet.write(receipt["paid"], LEFT, 46, size=28, style="B")
    sheet.write(f"Paid on {receipt['paid_at']}", LEFT, 60, size=10.5, colour=MUTED)
    below = max(
        sheet.fact("For", _customer(receipt), LEFT, 74, 78),
        sheet.fact("Paid by", [receipt["payer"], receipt["payer_email"]], 108, 74, 80) if receipt["payer"] else 0,
    )
    below = sheet.fact("Payment", [receipt["payment_id"]], LEFT, below + 5, 166)
    below = sheet.table(receipt, below + 9)
    bonus = f", {receipt['bonus']} of it bonus" if receipt["bonus"] else ""
    below = sheet.box(f"{receipt['credits']} of credits added{bonus}", below + 8)
    if receipt.get("note"):
        sheet.write(receipt["note"], LEFT, below + 5, size=10.5, colour=MUTED, width=RIGHT - LEFT)
    sheet.foot("1 credit is 1 US dollar. Name the payment's id when you have a question about it.")
    return bytes(sheet.pdf.output())


def _customer(receipt: dict[str, Any]) -> list[str]:
    """Who bought, with the billing details that owners set. Older receipts have only the name."""
    tax_id = receipt.get("tax_id")
    return [receipt["org"], *receipt.get("address", [])[:ADDRESS_LINES], *([f"Tax ID {tax_id}"] if tax_id else [])]


class _Sheet:
    """One page. Each part is drawn at a given position and returns where it ended, in millimetres from the top."""

    def __init__(self, payment_id: str, fonts: Path) -> None:
        self.pdf = FPDF(format="A4")
        self.pdf.set_title(f"Receipt {payment_id}")
        self.pdf.set_lang("en")
        self.pdf.set_creator("Coffer")
        self.pdf.set_auto_page_break(False)
        self.pdf.c_margin = 0
        self.pdf.add_page()
        self.files = {style: fonts / name for style, name in FILES.items()}
        self.wide = all(file.exists() for file in self.files.values())

    def head(self, *, test: bool) -> None:
        pdf = self.pdf
        pdf.set_fill_color(*ACCENT)
        pdf.rect(LEFT, 22, 9, 9, style="F", round_corners=True, corner_radius=2.4)
        pdf.set_draw_color(*WHITE)
        pdf.set_line_width(0.6)
        for points in MARK:
            pdf.polyline([(LEFT + x * 9 / 22, 22 + y * 9 / 22) for x, y in points])
        self.write("Coffer", LEFT + 12, 23.3, size=15, style="B")
        self.write("Receipt", LEFT, 23.6, size=13, colour=MUTED, align="R", width=RIGHT - LEFT)
        if test:
            words = "Test mode: no money was moved"
            pdf.set_font(PLAIN, "B", 8.5)
            wide = pdf.get_string_width(words) + 7
            pdf.set_fill_color(*WARN_SOFT)
            pdf.rect(LEFT, 37, wide, 6.4, style="F", round_corners=True, corner_radius=3.2)
            self.write(words, LEFT + 3.5, 38.1, size=8.5, style="B", colour=WARN)

    def fact(self, label: str, lines: list[str], x: float, y: float, width: float) -> float:
        self.write(label, x, y, size=9, colour=MUTED)
        y += 5
        for place, line in enumerate(one for one in lines if one):
            y = self.write(line, x, y, size=10.5, width=width, colour=MUTED if place else TEXT, most=3)
        return y

    def table(self, receipt: dict[str, Any], y: float) -> float:
        columns = (("Description", LEFT + 3, 84, "L"), ("Unit price", 108, 24, "R"), ("Quantity", 134, 20, "R"))
        self.pdf.set_fill_color(*SOFT)
        self.pdf.rect(LEFT, y, RIGHT - LEFT, 8, style="F", round_corners=True, corner_radius=1.5)
        for label, x, width, align in (*columns, ("Amount", 156, 29, "R")):
            self.write(label, x, y + 1.9, size=9, colour=MUTED, width=width, align=align)
        y += 11
        values = (receipt["pack"], receipt["unit_price"], str(receipt["quantity"]), receipt["price"])
        places = [(x, width, align) for _, x, width, align in columns] + [(156, 29, "R")]
        ends = [
            self.write(value, x, y, size=10.5, width=width, align=align, most=4)
            for value, (x, width, align) in zip(values, places, strict=True)
        ]
        y = self.rule(max(ends) + 3)
        code = f" (code {receipt['promotion_code']})" if receipt["promotion_code"] else ""
        sums = [(f"Discount{code}", f"-{receipt['discount']}")] if receipt["discount"] else []
        sums += [("Tax", receipt["tax"])] if receipt["tax"] else []
        for label, value in sums:
            y = self.sum(label, value, y + 2.5)
        y = self.sum("Paid", receipt["paid"], (self.rule(y + 2.5) if sums else y) + 2.5, style="B")
        for label, name in (("Without tax", "without_tax"), ("Of which tax", "tax_included")):
            if receipt.get(name):  # receipts from before these fields existed have neither
                y = self.sum(label, receipt[name], y + 2.5)
        return y

    def sum(self, label: str, value: str, y: float, style: str = "") -> float:
        self.write(value, 156, y, size=10.5, style=style, width=29, align="R")
        return self.write(label, LEFT + 3, y, size=10.5, style=style, width=125, most=2)

    def rule(self, y: float) -> float:
        self.pdf.set_draw_color(*LINE)
        self.pdf.set_line_width(0.25)
        self.pdf.line(LEFT, y, RIGHT, y)
        return y

    def box(self, text: str, y: float) -> float:
        self.pdf.set_fill_color(*SOFT)
        self.pdf.rect(LEFT, y, RIGHT - LEFT, 12, style="F", round_corners=True, corner_radius=2)
        self.write(text, LEFT + 3, y + 3.5, size=10.5, width=RIGHT - LEFT - 6)
        return y + 12

    def foot(self, text: str) -> None:
        self.write(text, LEFT, self.rule(277) + 3, size=8.5, colour=MUTED, width=RIGHT - LEFT)

    def write(
        self,
        text: str,
        x: float,
        y: float,
        *,
        size: float,
        style: str = "",
        colour: Colour = TEXT,
        width: float = RIGHT - LEFT,
        align: str = "L",
        most: int = 1,
    ) -> float:
        """Draw lines of `text` downwards from the top left corner, at most `most`; long words break anywhere."""
        readable = self._font_for(text, style, size)
        self.pdf.set_text_color(*colour)
        height = size * LINE_HEIGHT
        folded = self.pdf.multi_cell(width, height, readable, align="L", dry_run=True, output="LINES")
        lines = cast("list[str]", folded) or [""]
        if len(lines) > most:
            lines = [*lines[: most - 1], f"{lines[most - 1][:-3]}..."]
        for line in lines:
            self.pdf.set_xy(x, y)
            self.pdf.cell(width, height, self._in_order(line), align=align)
            y += height
        return y

    def _font_for(self, text: str, style: str, size: float) -> str:
        """Choose a font that has all characters. Returns the text as that font can draw it."""
        text = _INVISIBLE.sub("", unicodedata.normalize("NFC", one_line(text))).replace("\u2212", "-")
        if self.wide and not _western(text):
            for one, file in self.files.items():
                if f"{WIDE}{one}" not in self.pdf.fonts:
                    self.pdf.add_font(WIDE, one, file)
            self.pdf.set_font(WIDE, style, size)
            known = self.pdf.fonts[f"{WIDE}{style}"].cmap  # type: ignore[union-attr]
            return "".join(letter if ord(letter) in known else "?" for letter in text)
        self.pdf.set_font(PLAIN, style, size)
        return text.encode("latin-1", "replace").decode("latin-1")

    def _in_order(self, line: str) -> str:
        """Convert from reading order to drawing order: Hebrew and Arabic run from right to left."""
        if _western(line):
            return line
        return BidiParagraph(line).get_reordered_string()


def _western(text: str) -> bool:
    return all(ord(letter) < 256 for letter in text)
