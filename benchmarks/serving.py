"""The live service beside `mlflow models serve` of the same champion, and scoring a million users.

    python benchmarks/serving.py [--port 8765] [--seconds 30]

PURSE_HOME is a home with a champion and a scored snapshot; use a copy, because the service stores the events. Service,
MLflow's server and load are separate processes on one machine. The load is an open loop: a request's time starts at
the moment at which it was due, so a stalled service cannot slow down the measurement. wrk measures throughput at
saturation with 8 connections, for both servers alike.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.lake import tables
from pipelines.lake.rows import snapshot_rows
from pipelines.score import score
from pipelines.settings import load_settings
from pipelines.tracking.champion import champion_version
from pipelines.tracking.logged_model import load_version

DAY = timedelta(days=1)
LOADS = (("scores", 0, ""), ("5 % of them events", 0.05, ""), ("scores, and a page of the dashboard a second", 0, "/"))
RATE, CONNECTIONS, USERS = 300, 32, 2_000
WRK = """
local lines = {{}}
for line in io.lines("{file}") do lines[#lines + 1] = line end
math.randomseed(0)
request = function()
  local line = lines[math.random(#lines)]
  {request}
end
"""
OURS = 'return wrk.format("GET", "/v1/users/" .. line .. "/score")'
THEIRS = 'return wrk.format("POST", "/invocations", {["content-type"] = "application/json"}, line)'


@contextmanager
def server(command: list[str], url: str, log: Path, **env: str) -> Iterator[float]:
    """Run a server in a process of its own; yield the seconds until `url` answers correctly."""
    client = httpx.Client(
        timeout=1, trust_env=False
    )  # made once: reading certificates would take CPU time from the server
    started = time.perf_counter()
    with log.open("ab") as file:
        process = subprocess.Popen(command, env={**os.environ, **env}, stdout=file, stderr=file, process_group=0)
    try:
        while not answers(client, url):
            if process.poll() is not None:
                sys.exit(f"{' '.join(command)} ended with {process.returncode}; see {log}.")
            time.sleep(0.1)
        yield time.perf_counter() - started
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def answers(client: httpx.Client, url: str) -> bool:
    """Whether a server answers; Purse's only when its engine is ready too."""
    try:
        answer = client.get(url)
    except httpx.HTTPError:
        return False
    return answer.is_success and (not url.endswith("/readyz") or answer.json()["engine"] == "ready")


async def load(port: int, users: list[str], seconds: int, events: float, page: str | None) -> dict[str, float]:
    """Milliseconds from when a request was due to its answer, of scores only; an `events` share of all are events."""
    free: asyncio.Queue = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    chance, taken, failed, sent, day = random.Random(), [], 0, [], snapshot(port)

    async def ask(request: bytes, due: float) -> None:
        nonlocal failed
        reader, writer = await free.get()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        free.put_nowait((reader, writer))
        failed += head[9:10] != b"2"
        (taken if request.startswith(b"GET /v1") else sent).append(1000 * (time.perf_counter() - due))

    start, asked = time.perf_counter() + 0.1, []
    for number in range(RATE * seconds):
        due = start + number / RATE
        await asyncio.sleep(max(0, due - time.perf_counter()))
        request = event(chance.choice(users), day) if chance.random() < events else get(chance.choice(users))
        asked.append(asyncio.create_task(ask(request, due)))
        if page and number % RATE == 0:
            asked.append(asyncio.create_task(ask(b"GET %s HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" % page.encode(), due)))
    await asyncio.gather(*asked)
    p50, p99, most = np.percentile(taken, [50, 99, 100])
    return {"p50": p50, "p99": p99, "max": most, "p99 of others": np.percentile(sent or [0], 99), "failed": failed}


def get(user_id: str) -> bytes:
    """Request a user's score."""
    return f"GET /v1/users/{user_id}/score HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()


def event(user_id: str, day: str) -> bytes:
    """Send a view event."""
    row = {"event_id": uuid4().hex, "user_id": user_id, "occurred_at": f"{day}T00:00:01", "event_type": "view"}
    body = json.dumps({"events": [row]})
    head = f"host: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return f"POST /v1/events HTTP/1.1\r\n{head}\r\n\r\n{body}".encode()


def snapshot(port: int) -> str:
    """Day on which the release's data ends."""
    answer = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False)
    return str(answer.json()["snapshot_date"])


def saturate(port: int, lines: Path, request: str, seconds: int) -> float:
    """Requests per second that a server answers on 8 connections; `request` is Lua that makes one from a line."""
    script = lines.with_suffix(".lua")
    script.write_text(WRK.format(file=lines, request=request))
    command = ["wrk", "-t1", "-c8", f"-d{seconds}s", "-s", str(script), f"http://127.0.0.1:{port}"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said:
        sys.exit(f"wrk counted refusals, so the figure means nothing:\n{said}")
    return float(said.split("Requests/sec:")[1].split()[0])


def batch(users: int) -> None:
    """Score a snapshot of `users` copies of real users, beside the model alone; print seconds and GB."""
    settings = load_settings()
    model = load_version(settings, champion_version(settings))
    day = tables.days(settings, "features", "snapshot_date")[-1]
    real = snapshot_rows(tables.connect(), settings, "features", day).to_pyarrow()
    place = real.schema.get_field_index("user_id")
    copies = [
        real.set_column(place, "user_id", pc.binary_join_element_wise(real["user_id"], str(copy), "-"))
        for copy in range(-(-users // len(real)))
    ]
    tables.replace(settings, "features", pa.concat_tables(copies).slice(0, users), "snapshot_date", day, day + DAY)
    part = real.to_pandas()
    model.predict(part)  # loads and compiles, once
    started = time.perf_counter(), time.process_time()
    for _ in range(-(-users // len(part))):
        model.predict(part)
    share = users / (len(part) * -(-users // len(part)))
    bare = [share * (now - then) for now, then in zip((time.perf_counter(), time.process_time()), started, strict=True)]
    started = time.perf_counter(), time.process_time()
    score(settings, day, datetime.now(UTC))
    step = [now - then for now, then in zip((time.perf_counter(), time.process_time()), started, strict=True)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print("\n| users | model alone s (CPU) | step `score` s (CPU) | ratio (CPU) | peak GB |\n|---|---|---|---|---|")
    print(f"| {users:,} | {bare[0]:.1f} ({bare[1]:.1f}) | {step[0]:.1f} ({step[1]:.1f}) ", end="")
    print(f"| {step[0] / bare[0]:.2f} ({step[1] / bare[1]:.2f}) | {peak:.1f} |")


def serving(port: int, seconds: int, folder: Path) -> None:
    """Measure start, latency and throughput of the service, and throughput of MLflow's server; print tables."""
    settings = load_settings()
    url, log, users = f"http://127.0.0.1:{port}/readyz", folder / "log", folder / "users"
    env = {"PURSE_SERVING__PORT": str(port), "PURSE_SERVING__RATE_LIMIT": "1000000/second"}
    command = [sys.executable, "-m", "serving"]
    day = tables.days(settings, "features", "snapshot_date")[-1]
    features = snapshot_rows(tables.connect(), settings, "features", day)
    rows = features.order_by("user_id").limit(USERS).to_pyarrow().to_pandas()
    users.write_text("\n".join(rows["user_id"]))
    starts = []
    for _ in range(2):
        with server(command, url, log, **env) as took:
            starts.append(took)
    with server(command, url, log, **env) as took:
        starts.append(took)
        print(f"Start to ready, engine included: {', '.join(f'{took:.1f}' for took in starts)} s.\n", flush=True)
        print(
            "| 300 requests/s | p50 ms | p99 ms | max ms | p99 of the others ms | failed |\n|---|---|---|---|---|---|"
        )
        for name, events, page in LOADS:
            asked = [sys.executable, __file__, "load", str(port), str(users), str(seconds), str(events), page]
            said = json.loads(subprocess.run(asked, check=True, capture_output=True).stdout)
            print(
                f"| {name} | " + " | ".join(f"{value:.1f}" for value in said.values()) + " |",
                flush=True,
            )
        ours = saturate(port, users, OURS, seconds)
    uri = f"models:/{settings.mlflow.model_name}/{champion_version(settings)}"
    names = list(load_version(settings, champion_version(settings)).feature_names)
    bodies = folder / "bodies"
    bodies.write_text("\n".join(body(rows.iloc[[place]][names]) for place in range(200)))
    peer = [str(Path(sys.executable).parent / "mlflow"), "models", "serve", "-m", uri, "--env-manager", "local"]
    with server(
        [*peer, "-p", str(port + 1), "-w", "1"],
        f"http://127.0.0.1:{port + 1}/ping",
        log,
        MLFLOW_TRACKING_URI=settings.tracking_uri,
    ):
        theirs = saturate(port + 1, bodies, THEIRS, seconds)
    print(f"\nSingle users per second: Purse {ours:,.0f}, mlflow models serve {theirs:,.1f}: {ours / theirs:,.0f} x.")


def body(row: pd.DataFrame) -> str:
    """Request body with a user's features for MLflow's server."""
    return json.dumps({"dataframe_split": json.loads(row.to_json(orient="split", index=False))})


if __name__ == "__main__":
    if sys.argv[1:2] == ["load"]:
        port, users, seconds, events, page = sys.argv[2:]
        ids = Path(users).read_text().split()
        print(json.dumps(asyncio.run(load(int(port), ids, int(seconds), float(events), page or None))))
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("--port", type=int, default=8765)
        parser.add_argument("--seconds", type=int, default=30)
        parser.add_argument("--batch", type=int, metavar="USERS", help="measure the step `score` instead")
        given = parser.parse_args()
        if given.batch:
            batch(given.batch)
        else:
            with tempfile.TemporaryDirectory() as temporary:
                serving(given.port, given.seconds, Path(temporary))
