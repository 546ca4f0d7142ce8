"""What every page must hold: axe finds nothing, nothing overflows, nothing is too small to hit."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (320, 390, 768, 1024, 1440)
LOOKS = {390: ("light", "dark"), 1440: ("dark", "light")}
HEIGHTS = {390: 844}

# A theme changes colours alone: every rule is asked in the second one of a width, and colours alone in the first.
# A frame holds a mail, a document of its own in which no script runs: it is left out.
RUN = """async (colours) => {
  const only = colours ? {type: "rule", values: ["color-contrast", "link-in-text-block"]} : {type: "tag", values: TAGS};
  const rules = colours ? {} : {"target-size": {enabled: true}};
  const wanted = {rules, runOnly: only, iframes: false, resultTypes: ["violations", "incomplete"]};
  const found = await axe.run(document, wanted);
  const why = (node) => [...node.any, ...node.all, ...node.none].map((one) => one.message).join("; ");
  const facts = (list) => list.flatMap((rule) => rule.nodes.map((node) => [rule.id, node.target.join(" "), why(node)]));
  return {violations: facts(found.violations), incomplete: facts(found.incomplete)};
}""".replace("TAGS", str(TAGS))

# Links in running text are as high as their line; a box and its label are hit together. The bars of a chart may be
# thin: the links in its table are as good.
SMALL = """() => {
  const inText = (el) => getComputedStyle(el).display === "inline" &&
    [...el.parentElement.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim().length > 1);
  const seen = (el) => el.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})
    && !el.closest(".vh, .skip, noscript") && !el.matches(".chart .day");
  const hit = (el) => el.matches("[type=radio], [type=checkbox]") && el.closest("label") || el;
  return [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")]
    .filter(seen).filter((el) => !inText(el))
    .map((el) => [el, hit(el).getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (box.height < 23.9 || box.width < 23.9))
    .map(([el, box]) => `${el.outerHTML.slice(0, 120)} is ${box.width.toFixed(1)} x ${box.height.toFixed(1)}`);
}"""

# Actions that stick to the lower edge cover what is scrolled under them, of which axe then cannot be sure.
UNSTUCK = "for (const one of document.querySelectorAll('.form-foot')) one.style.position = 'static'"

# Looked at by eye: axe cannot tell what lies behind them.
REVIEWED = (
    ("frame-tested", "iframe"),  # a mail: see above
    ("color-contrast", "text["),  # the days under a chart, in the muted colour on the card
    ("color-contrast", ".minor"),
    ("color-contrast", "td[title="),  # of a wide table, scrolled out of its frame on a phone
    ("color-contrast", 'th[scope="row"]'),
    ("color-contrast", '.as-link[type="button"]'),  # in the bars on top, under the menu that sticks there on a phone
    ("color-contrast", 'section[aria-label="Test mode"]'),
    ("color-contrast", ".done > .muted"),  # beside a number that is drawn by a pseudo element
)


def faults(page: Page, shots: Path | None = None, name: str = "") -> list[str]:
    """Everything that is wrong with the page as it is now, in both themes and at all widths. Leaves it light and wide.

    With `shots`, pictures of all four looks are written there.
    """
    found: list[str] = []
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    page.evaluate(UNSTUCK)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHTS.get(width, 900)})
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            found.append(f"{width}: the page is {wide} wide")
        if width in LOOKS:
            found += [f"{width}: too small: {element}" for element in page.evaluate(SMALL)]
        for theme in LOOKS.get(width, ()):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            found += [f"{theme} {width}: {fault}" for fault in _axe(page, colours=theme == LOOKS[width][0])]
            if shots:
                page.screenshot(path=shots / f"{name}-{width}-{theme}.png", full_page=True)
    return found


def _axe(page: Page, *, colours: bool) -> list[str]:
    result: dict[str, Any] = page.evaluate(RUN, colours)
    open_questions = [
        (rule, target, why)
        for rule, target, why in result["incomplete"]
        if not any(rule == known and part in target for known, part in REVIEWED)
    ]
    return [f"{rule} at {target}: {why}" for rule, target, why in result["violations"]] + [
        f"unsure of {rule} at {target}: {why}" for rule, target, why in open_questions
    ]
