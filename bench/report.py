"""What a run found: one line a figure after its baseline, and the same as JSON in var/bench.json."""

import json
import os
import statistics
import time
from collections.abc import Sequence
from typing import Any

from bench.books import Checked
from bench.servers import ROOT
from bench.size import Size

FILE = ROOT / "var" / "bench.json"


class Report:
    def __init__(self, size: Size, machine: dict[str, Any]) -> None:
        self._figures: list[dict[str, Any]] = []
        self.has_failed = False
        self._rows = 0
        self._last: Checked | None = None
        self._broken = 0
        self._started = time.monotonic()
        self._head = {"size": size.name, "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **machine}
        print(" ".join(f"{name}={value}" for name, value in self._head.items()), flush=True)

    def ratio(
        self,
        goal: int | str,
        name: str,
        ours: Sequence[float],
        baseline: Sequence[float],
        *,
        against: str,
        target: float,
        checked: Checked,
        unit: str = "/s",
        most: bool = False,
    ) -> None:
        """`ours` to `baseline`, formed round by round; the median counts. `most`: the target is an upper bound."""
        each = [one / base for one, base in zip(ours, baseline, strict=True)]
        rates = statistics.median(ours), statistics.median(baseline)
        print(f"  baseline {against}: {rates[1]:,.4g} {unit}; {name}: {rates[0]:,.4g} {unit}; {checked}")
        values = {"ours": rates[0], "baseline": rates[1], "against": against, "rate_unit": unit, "rounds": each}
        self._add(goal, name, statistics.median(each), "x", target, checked, most=most, **values)

    def value(
        self,
        goal: int | str,
        name: str,
        value: float,
        unit: str,
        *,
        target: float,
        checked: Checked,
        most: bool = True,
        **values: Any,
    ) -> None:
        """A figure that stands alone, such as a time; the target is an upper bound unless `most` is False."""
        self._add(goal, name, value, unit, target, checked, most=most, **values)

    def failed(self, group: str, error: Exception) -> None:
        """A group that could not be measured; the others go on."""
        self.has_failed = True
        print(f"  {group}: not measured, {type(error).__name__}: {str(error)[:300]}", flush=True)
        self._figures.append({"group": group, "failed": type(error).__name__})

    def close(self) -> None:
        """Goal 13, and the file."""
        checked = self._last = Checked(self._rows)
        self._add(13, "figures_with_broken_books", self._broken, "figures", 0, checked, most=True)
        took = round(time.monotonic() - self._started)
        FILE.write_text(json.dumps({**self._head, "seconds": took, "figures": self._figures}, indent=1) + "\n")
        print(f"  {self._rows:,} rows checked, {took} s, load {os.getloadavg()[0]:.1f}; {FILE.relative_to(ROOT)}")

    def _add(
        self,
        goal: int | str,
        name: str,
        value: float,
        unit: str,
        target: float,
        checked: Checked,
        *,
        most: bool,
        **values: Any,
    ) -> None:
        met = not checked.broken and (value <= target if most else value >= target)
        self._broken += bool(checked.broken)
        if checked is not self._last:  # several figures may rest on one check
            self._rows += checked.rows
            self._last = checked
        if checked.broken:
            print(f"  does not count, the books are broken: {'; '.join(checked.broken)}")
        shown = f"{value:,.2f}" if unit in ("x", "ms") else f"{value:,.0f}" if value >= 1e4 else f"{value:,.4g}"
        print(f"{goal} {name} {shown} {unit} target {target:g} {'met' if met else 'missed'}", flush=True)
        found = {"goal": goal, "name": name, "value": value, "unit": unit, "target": target, "met": met}
        bound = {"bound": "at most" if most else "at least", "rows_checked": checked.rows, "broken": checked.broken}
        self._figures.append(found | bound | values)
