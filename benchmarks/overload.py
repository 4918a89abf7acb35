"""The live service beyond its capacity: answers per second, latency and refusals, with and without bounded admission.

    python -m benchmarks.overload                    (in a home with scores; needs wrk)
    python -m benchmarks.overload --seconds 30 --times 3 5

The capacity is what wrk gets from 8 connections. Then wrk sends a multiple of it from 384 connections and counts the
answers. Beside it a light client sends 100 requests a second, reads, events and checks of /healthz: each is due at its
time, whether or not earlier ones are answered, and its latency counts from then. After the load every acknowledged
event must be known. Clients and service share the machine's cores.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import uvloop

from benchmarks.serving import OURS, USERS, event, get, saturate, server, snapshot
from pipelines.lake import tables
from pipelines.lake.rows import snapshot_rows
from pipelines.settings import load_settings

CONNECTIONS, PROBES, EVENTS, GIVEN_UP = 384, 100, 0.02, 30.0
"""Connections of the load; requests a second of the light client, its share of events, and seconds after which it
gives up."""

PACED = """
local users = {{}}
for line in io.lines("{users}") do users[#users + 1] = line end
local threads = {{}}
function setup(thread) table.insert(threads, thread) end
function request() return wrk.format("GET", "/v1/users/" .. users[math.random(#users)] .. "/score") end
function delay() return math.random() * {milliseconds} * 2 end
function response(status)
  if status == 200 then ok = (ok or 0) + 1 elseif status == 503 then busy = (busy or 0) + 1 end
end
function done(summary)
  local ok, busy, seconds = 0, 0, summary.duration / 1e6
  for _, thread in ipairs(threads) do ok = ok + (thread:get("ok") or 0); busy = busy + (thread:get("busy") or 0) end
  print(string.format("COUNTED %f %f", ok / seconds, busy / seconds))
end
"""
"""wrk's script of a load: every connection pauses between its requests; answers are counted by status."""

HEALTH = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
UNBOUNDED = "1000000"


class Answer(NamedTuple):
    """A request's answer: seconds since the request was due, status, and when it came."""

    request: bytes
    seconds: float
    status: int
    moment: float


class Client(asyncio.Protocol):
    """A connection with one request at a time."""

    def __init__(self, free: "deque[Client]", done: list[Answer]) -> None:
        self.free, self.done = free, done
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Offer the connection."""
        self.transport = transport
        self.free.append(self)

    def send(self, request: bytes, due: float) -> None:
        """Send a request that was due at a time."""
        self.request, self.due = request, due
        self.transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Read an answer, and offer the connection again when it is complete."""
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]):
            return
        now = time.perf_counter()
        self.done.append(Answer(self.request, now - self.due, int(head[9:12]), now))
        self.buffer = b""
        self.free.append(self)


async def probe(port: int, users: list[str], seconds: int, day: str) -> dict[str, float]:
    """Send `PROBES` requests a second; those that find no free connection within `GIVEN_UP` seconds are given up."""
    loop, free, done = asyncio.get_running_loop(), deque[Client](), list[Answer]()
    for _ in range(PROBES):
        await loop.create_connection(lambda: Client(free, done), "127.0.0.1", port)
    chance, sent = random.Random(0), 0
    waiting: deque[tuple[bytes, float]] = deque()
    start = time.perf_counter() + 0.1
    while (now := time.perf_counter()) < start + seconds or (len(free) < PROBES and now < start + seconds + GIVEN_UP):
        while sent < PROBES * seconds and start + sent / PROBES <= now:
            request = HEALTH if sent % 10 == 0 else get(chance.choice(users))
            if chance.random() < EVENTS and request is not HEALTH:
                request = event(chance.choice(users), day)
            waiting.append((request, start + sent / PROBES))
            sent += 1
        while waiting and now - waiting[0][1] > GIVEN_UP:
            waiting.popleft()
        while waiting and free:
            free.popleft().send(*waiting.popleft())
        await asyncio.sleep(0.001)
    return report(port, [one for one in done if one.seconds < GIVEN_UP], sent)


def report(port: int, done: list[Answer], sent: int) -> dict[str, float]:
    """Figures of the light client's requests."""
    good = [one for one in done if one.status in (200, 202)]
    reads = [one.seconds for one in good if one.request.startswith(b"GET /v1")]
    accepted = [one.request for one in good if one.status == 202]  # noqa: PLR2004
    return {
        "p50 ms": _milliseconds(reads, 50),
        "p99 ms": _milliseconds(reads, 99),
        "of the light client refused": sum(one.status == 503 for one in done) / sent,  # noqa: PLR2004
        "without an answer in 30 s": sent - len(done),
        "/healthz p99 ms": _milliseconds([one.seconds for one in good if one.request is HEALTH], 99),
        "events acknowledged": len(accepted),
        "of these lost": sum(_is_lost(port, request) for request in accepted),
    }


def overload(port: int, users: Path, seconds: int, rate: float) -> dict[str, float]:
    """Send reads at a rate with wrk, and probe the service meanwhile."""
    script = users.with_suffix(".paced.lua")
    script.write_text(PACED.format(users=users, milliseconds=1000 * CONNECTIONS / rate))
    wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds + 2}s", "-s", str(script), f"http://127.0.0.1:{port}"]
    probes = [sys.executable, "-m", "benchmarks.overload", "probe", str(port), str(users), str(seconds), snapshot(port)]
    with subprocess.Popen(wrk, stdout=subprocess.PIPE, text=True) as load:
        time.sleep(1)
        probed = json.loads(subprocess.run(probes, check=True, capture_output=True).stdout)
        said = load.communicate()[0]
    answered, refused = (float(figure) for figure in said.split("COUNTED ")[1].split()[:2])
    return {"sent/s": answered + refused, "answered/s": answered, "refused/s": refused} | probed


def _milliseconds(seconds: list[float], percentile: int) -> float:
    return 1000 * float(np.percentile(seconds, percentile)) if seconds else float("nan")


def _is_lost(port: int, request: bytes) -> bool:
    """Whether an acknowledged event is new to the service when it is sent again."""
    answer = httpx.post(
        f"http://127.0.0.1:{port}/v1/events",
        content=request.partition(b"\r\n\r\n")[2],
        headers={"content-type": "application/json"},
        trust_env=False,
    )
    return answer.status_code != 202 or answer.json()["duplicates"] != 1  # noqa: PLR2004


def main(port: int, seconds: int, times: list[float], places: list[str]) -> None:
    """Measure and print a table for each number of places."""
    settings = load_settings()
    day = tables.days(settings, "features", "snapshot_date")[-1]
    rows = snapshot_rows(tables.connect(), settings, "features", day)
    with tempfile.TemporaryDirectory() as folder:
        users, log = Path(folder) / "users", Path(folder) / "log"
        users.write_text("\n".join(rows.order_by("user_id").limit(USERS).to_pyarrow()["user_id"].to_pylist()))
        for number in places:
            env = {
                "PURSE_SERVING__PORT": str(port),
                "PURSE_SERVING__RATE_LIMIT": "1000000/second",
                "PURSE_SERVING__MAX_REQUESTS": number,
                "PURSE_SERVING__MAX_CONNECTIONS_PER_ADDRESS": "800",
            }
            with server([sys.executable, "-m", "serving"], f"http://127.0.0.1:{port}/readyz", log, **env):
                capacity = saturate(port, users, OURS, seconds)
                print(f"\nserving.max_requests {number}: capacity {capacity:,.0f} reads/s (wrk, 8 connections).\n")
                for place, factor in enumerate(times):
                    figures = overload(port, users, seconds, factor * capacity)
                    figures = {"load": factor, "of capacity": figures["answered/s"] / capacity} | figures
                    if not place:
                        print("| " + " | ".join(figures) + " |\n" + "|---" * len(figures) + "|")
                    print(
                        "| " + " | ".join(f"{value:,.2f}".rstrip("0").rstrip(".") for value in figures.values()) + " |",
                        flush=True,
                    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["probe"]:
        port, users, seconds, day = sys.argv[2:]
        ids = Path(users).read_text().split("\n")
        print(json.dumps(uvloop.run(probe(int(port), ids, int(seconds), day))))
    else:
        parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--port", type=int, default=8766)
        parser.add_argument("--seconds", type=int, default=20)
        parser.add_argument("--times", type=float, nargs="+", default=[1, 3])
        parser.add_argument("--places", nargs="+", default=["32", UNBOUNDED])
        given = parser.parse_args()
        main(given.port, given.seconds, given.times, given.places)
