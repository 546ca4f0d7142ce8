"""`python -m bench [group ...]`; BENCH=quick ends within two minutes, BENCH=full adds 10^7 rows.

A missed target ends with 0; 1 is for a group that could not be measured."""

import sys
import traceback

from bench import batches, clients, growth, lists, over_http, pages, seals, servers, singles
from bench.report import Report
from bench.size import chosen

GROUPS = {
    "singles": singles.measure,
    "batches": batches.measure,
    "clients": clients.measure,
    "growth": growth.measure,
    "http": over_http.measure,
    "pages": pages.measure,
    "lists": lists.measure,
    "seals": seals.measure,
}


def main(names: list[str]) -> int:
    size = chosen()
    with servers.running() as cluster:
        report = Report(size, cluster.describe())
        for name in names or GROUPS:
            try:
                GROUPS[name](cluster, size, report)
            except Exception as error:
                traceback.print_exc()
                report.failed(name, error)
        report.close()
    return int(report.has_failed)


if __name__ == "__main__":
    if wrong := set(sys.argv[1:]) - GROUPS.keys():
        sys.exit(f"no such group: {', '.join(sorted(wrong))}; there are {', '.join(GROUPS)}")
    sys.exit(main(sys.argv[1:]))
