"""Load over HTTP: wrk where it is or can be installed, else threads of our own (which cost more of the machine)."""

import http.client
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LUA = Path(__file__).with_name("load.lua")


@dataclass(frozen=True)
class Request:
    path: str
    authorization: tuple[str, str]
    """One header: what tells who calls, or signs the body."""
    body: str


@dataclass(frozen=True)
class Load:
    """What came back. Percentiles in milliseconds; `refused` counts answers that are no 2xx, and broken connections."""

    requests: int
    rate: float
    p50: float
    p99: float
    refused: int


def generator() -> str:
    """The tool's name; installs wrk where it is missing and may be installed."""
    if not shutil.which("wrk") and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-q", "wrk"], capture_output=True, check=False)
    return "wrk" if shutil.which("wrk") else "python-threads"


def post(port: int, requests: Iterable[Request], seconds: float, *, connections: int = 4) -> Load:
    """Post the requests in their order, from the start again where they run out, for so many seconds."""
    wanted = list(requests)
    if generator() == "wrk":
        return _wrk(port, wanted, seconds, connections)
    return _threads(port, wanted, seconds, connections)


def _wrk(port: int, requests: list[Request], seconds: float, connections: int) -> Load:
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        file.writelines("\t".join((one.path, *one.authorization, one.body)) + "\n" for one in requests)
        file.flush()
        command = [
            "wrk",
            "--timeout",
            "30s",
            "-t",
            "1",
            "-c",
            str(connections),
            "-d",
            f"{max(1, round(seconds))}s",
            "-s",
            str(LUA),
        ]
        done = subprocess.run([*command, f"http://127.0.0.1:{port}"], env=os.environ | {"REQUESTS": file.name},
                              capture_output=True, text=True, check=True)  # fmt: skip
    found = json.loads(done.stdout.strip().rpartition("\n")[2])
    rate = found["requests"] / (found["duration_us"] / 1e6)
    return Load(found["requests"], rate, found["p50_us"] / 1e3, found["p99_us"] / 1e3, found["refused"])


def _threads(port: int, requests: list[Request], seconds: float, connections: int) -> Load:
    took: list[float] = []
    refused: list[int] = []
    started = time.perf_counter()

    def work(mine: list[Request]) -> None:
        connection, number = http.client.HTTPConnection("127.0.0.1", port), 0
        while (begun := time.perf_counter()) - started < seconds:
            one = mine[number % len(mine)]
            number += 1
            headers = {"Content-Type": "application/json", one.authorization[0]: one.authorization[1]}
            connection.request("POST", one.path, one.body, headers)
            answer = connection.getresponse()
            answer.read()
            took.append(time.perf_counter() - begun)
            if not 200 <= answer.status < 300:
                refused.append(answer.status)

    threads = [threading.Thread(target=work, args=(requests[n::connections],)) for n in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed, sorted_took = time.perf_counter() - started, sorted(took)
    p50, p99 = (sorted_took[int(len(took) * part)] * 1e3 for part in (0.5, 0.99))
    return Load(len(took), len(took) / passed, p50, p99, len(refused))
