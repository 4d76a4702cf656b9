"""Makes tests/data/venue_btcusdt.gz: some seconds of the local venue's synthetic market, as a client saw them.

    python tools/capture_venue.py [SECONDS]

Lines of `<receive time in ns> <json>`: combined stream messages as they came, and one REST depth snapshot taken after
the first diffs, so that reading it back has to drop some and to bridge.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import time
from pathlib import Path

import aiohttp

OUT = Path(__file__).resolve().parent.parent / "tests" / "data" / "venue_btcusdt.gz"
STREAMS = "btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade"
SNAPSHOT_AFTER_DIFFS = 3


async def capture(url: str, seconds: float) -> list[str]:
    """The lines of a capture."""
    lines: list[str] = []
    diffs = 0
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/stream?streams={STREAMS}") as socket:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            text = await socket.receive_str(timeout=5)
            lines.append(f"{time.time_ns()} {text}")
            diffs += '"depthUpdate"' in text
            if diffs == SNAPSHOT_AFTER_DIFFS:
                diffs += 1
                async with session.get(f"{url}/api/v3/depth?symbol=BTCUSDT&limit=1000") as reply:
                    lines.append(f"{time.time_ns()} {await reply.text()}")
    return lines


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    venue = subprocess.Popen([sys.executable, "-m", "mmcore.venue", "--port", "0", "--seed", "7"],
                             stdout=subprocess.PIPE)
    try:
        assert venue.stdout is not None
        url = json.loads(venue.stdout.readline())["url"]
        lines = asyncio.run(capture(url, seconds))
    finally:
        venue.terminate()
        venue.wait()
    OUT.parent.mkdir(exist_ok=True)
    with gzip.GzipFile(OUT, "wb", mtime=0) as file:
        file.write("".join(line + "\n" for line in lines).encode())
    print(f"{OUT}: {len(lines)} messages, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
