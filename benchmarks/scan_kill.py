"""Kills the service in the middle of a long scan and tells how many pages are read again.

    python -m benchmarks.scan_kill [--pages 40]

The scan goes over HTTP to a service in a process of its own, which is killed with all its children
(SIGKILL) when a third of the pages are read, and once more at two thirds; a third service ends the job.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from app import schemas
from app.client import Client
from benchmarks.http_process import ROOT, Running, process
from benchmarks.long_scan import make_scan

KB = "扫描"


def kill(server: Running) -> None:
    """End the service and its children at once."""
    for one in [server.process, *server.process.children(recursive=True)]:
        one.kill()
    psutil.wait_procs([server.process])


def watch(client: Client, job_id: str, enough: float) -> tuple[int, schemas.Job]:
    """The pages that the job told of first, and the job when it has read `enough`."""
    first = None
    while True:
        job = client.jobs.get(job_id)
        if first is None and job.state == "running" and job.progress.pages_done:
            first = job.progress.pages_done
        if job.state not in ("queued", "running", "suspended") or job.progress.pages_done >= enough:
            return first or 0, job
        time.sleep(0.05)


def main() -> None:
    """Print what each service did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pages", type=int, default=40)
    pages = parser.parse_args().pages
    with TemporaryDirectory() as temporary:
        scan, job_id = Path(temporary, "长扫描件.pdf"), ""
        make_scan(scan, pages)
        settings = {"ZHIWEN_DATA_DIR": str(Path(temporary, "data")), "ZHIWEN_LOGGING__LEVEL": "error"}
        for share in (1 / 3, 2 / 3, 2):
            with process([str(ROOT / "api.py"), "--port"], settings) as server, Client(server.url) as client:
                if not job_id:
                    client.knowledge_bases.create(KB)
                    job_id = client.knowledge_bases.upload(KB, [scan]).job_id
                began = time.perf_counter()
                first, job = watch(client, job_id, share * pages)
                took = time.perf_counter() - began
                told = job.progress.pages_done
                print(
                    f"{job.state}: first told of {first} pages, at the end of {told}, {took:.0f} s",
                    flush=True,
                )
                if job.state == "done":
                    (document,) = client.knowledge_bases.documents(KB)
                    print(f"{document.state}, {document.pages} pages, {document.chunks} chunks", flush=True)
                else:
                    kill(server)


if __name__ == "__main__":
    main()
