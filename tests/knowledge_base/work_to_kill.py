"""Processes that do whatever a data folder can be asked for, at random, until they are killed.

    python -m tests.knowledge_base.work_to_kill

A line on standard input, the JSON of a `Task`, starts one and answers with its process id; starting
many is quick, because each is a copy of this process, which has imported everything. It tells in the
task's journal, line by line, what it begins and what it was promised: whoever killed it knows then
what has to be there.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from app.composition import build_service
from app.service import Service
from app.settings import load_settings
from knowledge_base.package_contents import KnowledgeBasePackage
from knowledge_base.restoring import restore
from loaders.base import LoadOptions
from loaders.isolation import IsolatedParser, ReadPage
from loaders.registry import find_loader, read_pages
from tests.knowledge_base.doubles import BigramEmbedder
from tests.knowledge_base.versioned_files import SCAN, Place, content, tokens

KNOWLEDGE_BASES = ("甲", "b%_")
NAMES = ("a.md", "b.md", "c.md", "卷宗.pdf", "e.pdf")
IMPORTED = ("导入1", "导入2")
"""Knowledge bases that are only ever imported and deleted."""
BACKUPS = ("backup", "restored")
UNFINISHED = {"queued", "running"}


class DirectParser(IsolatedParser):
    """Reads page by page in this process."""

    def pages(self, path: Path, *, name: str, **options: Any) -> Iterator[ReadPage]:
        cancelled = options.get("cancelled")
        loading = LoadOptions(first_page=options.get("first_page", 1), cancelled=cancelled)
        loader = find_loader(path, name, limits=loading.limits, faq=loading.faq)
        for page in read_pages(loader, path, name=name, options=loading):
            yield ReadPage(page, page.number or 1, loader.format)


@dataclass(frozen=True, slots=True)
class Task:
    """What a process is to work on. A quick embedder and no OCR unless `real`."""

    folder: str
    journal: str
    seed: int
    chunk_size: int
    real: bool = False


def open_service(folder: Path, *, chunk_size: int, real: bool = False) -> Service:
    """The application over the folder; files are read in processes of their own only when `real`."""
    arguments: dict[str, Any] = {
        "data_dir": folder,
        "models_dir": folder.parent / "models",
        "splitter": {"chunk_size": chunk_size, "overlap": 0},
        "ocr": {"enabled": real},
        "jobs": {"readers": 1, "at_once": 3},
    }
    settings = load_settings(arguments)
    if real:
        return build_service(settings)
    with patch("app.file_parser.IsolatedParser", DirectParser):
        return build_service(settings, embedder=BigramEmbedder())


@dataclass
class Worker:
    """Asks for things until the process ends."""

    service: Service
    random: random.Random
    journal: int
    """File descriptor: what is written is there although the process is killed."""
    real: bool
    packages: Path
    """Where exports and backups go."""
    busy: dict[Place, str] = field(default_factory=dict)
    """The job that last took in a file."""
    versions: dict[Place, int] = field(default_factory=dict)
    """What each file of a finished job was uploaded as."""
    rebuilds: dict[str, str] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    """The job that fills a knowledge base from a package."""
    number: int = 0

    def run(self) -> None:
        asked = [
            *[self.upload] * 5,
            *[self.search] * 4,
            *[self.delete] * 2,
            *[self.export] * 2,
            *[self.import_] * 3,
            *[self.pause] * 2,
            self.back_up_and_restore,
            self.rebuild,
        ]
        while True:
            self.random.choice(asked)()

    def tell(self, what: str, **about: Any) -> None:
        self.number += what == "begin"
        line = json.dumps({"what": what, "number": self.number, **about}) + "\n"
        os.write(self.journal, line.encode())

    def place(self) -> Place:
        names = (*NAMES, SCAN) if self.real else NAMES
        return self.random.choice(KNOWLEDGE_BASES), self.random.choice(names)

    def idle(self, place: Place) -> bool:
        job = self.busy.get(place)
        return job is None or self.service.job(job).state not in UNFINISHED

    def upload(self) -> None:
        if sum(self.service.job(job).state in UNFINISHED for job in set(self.busy.values())) > 4:
            return
        first = self.place()
        places = {first} | {(first[0], self.random.choice(NAMES)) for _ in range(self.random.randrange(3))}
        # A file that is being taken in may be uploaded anew: the later upload wins.
        files = {place: self.random.randrange(1_000_000) for place in sorted(places)}
        self.tell("begin", action="upload", files=[[*place, version] for place, version in files.items()])
        self.service.ensure_knowledge_base(first[0])
        stored = [
            self.service.store(place[1], [content(place, version)], check=False)
            for place, version in files.items()
        ]
        job = self.service.submit(first[0], stored)
        self.tell("done", job=job.id)
        self.busy.update(dict.fromkeys(files, job.id))
        self.versions.update(files)

    def delete(self) -> None:
        place = self.place()
        if not self.idle(place) or place[0] not in {info.name for info in self.service.knowledge_bases()}:
            return
        found = [info for info in self.service.documents(place[0]) if info.name == place[1]]
        if found:
            self.tell("begin", action="delete", files=[[*place, None]])
            self.service.delete_document(place[0], found[0].id)
            self.tell("done")
            self.versions.pop(place, None)

    def search(self) -> None:
        places = [place for place in self.versions if place[1] != SCAN and self.idle(place)]
        if not places:
            return
        place = self.random.choice(places)
        word = self.random.choice(tokens(place, self.versions[place]))
        hits = self.service.search(word, [place[0]], threshold=0.0, top_k=10)
        if not any(word in hit.text and hit.document == place[1] for hit in hits):
            self.tell("lost", place=place, word=word)

    def rebuild(self) -> None:
        name = self.random.choice(KNOWLEDGE_BASES)
        job = self.rebuilds.get(name)
        running = job is not None and self.service.job(job).state in UNFINISHED
        if not running and name in {info.name for info in self.service.knowledge_bases()}:
            self.tell("begin", action="rebuild", files=[])
            self.rebuilds[name] = self.service.submit_rebuild(name).id
            self.tell("done", job=self.rebuilds[name])

    def export(self) -> None:
        name = self.random.choice(KNOWLEDGE_BASES)
        if name in {info.name for info in self.service.knowledge_bases()}:
            self.packages.mkdir(exist_ok=True)
            path = self.packages / f"{KNOWLEDGE_BASES.index(name)}.zhiwen"
            self.tell("begin", action="export", files=[])
            self.service.exports.export(name, path)
            self.tell("done")

    def import_(self) -> None:
        """Take in a package, at once or as a job, in place of what the name led to before."""
        packages = sorted(self.packages.glob("*.zhiwen"))
        name = self.random.choice(IMPORTED)
        job = self.imports.get(name)
        if not packages or (job is not None and self.service.job(job).state in UNFINISHED):
            return
        path = self.random.choice(packages)
        if name in {info.name for info in self.service.knowledge_bases()}:
            self.tell("begin", action="delete a base", files=[], imported=name, contents=None)
            self.imports.pop(name, None)  # it goes with its knowledge base
            self.service.delete_knowledge_base(name)
            self.tell("done")
        if self.random.random() < 0.5:
            self.tell("begin", action="import", files=[], imported=name, contents=packed(path))
            self.service.imports.import_package(path, name=name)
            self.tell("done")
        else:
            self.tell("begin", action="import job", files=[], imported=name, contents=packed(path))
            with path.open("rb") as stream:
                submitted = self.service.import_jobs.submit(stream, name=name, max_bytes=1 << 30)
            self.imports[name] = submitted.id
            self.tell("done", import_job=submitted.id)

    def back_up_and_restore(self) -> None:
        """Into folders beside the data, in place of what is there."""
        backup, restored = (self.packages / name for name in BACKUPS)
        self.packages.mkdir(exist_ok=True)
        for folder in (backup, restored):
            if folder.exists():  # out of the way at once, so that a kill leaves no part of it there
                shutil.rmtree(folder.rename(folder.with_name(f"old-{secrets.token_hex(8)}")))
        self.tell("begin", action="back up", files=[])
        self.service.backups.backup(backup)
        self.tell("done")
        self.tell("begin", action="restore", files=[])
        restore(backup, restored)
        self.tell("done")

    def pause(self) -> None:
        time.sleep(self.random.uniform(0, 0.2))


def packages_of(folder: Path) -> Path:
    """Where the exports and backups of a data folder go."""
    return folder.with_name(f"{folder.name}-packages")


def packed(path: Path) -> str:
    """What a package holds, after all of it was checked."""
    with closing(KnowledgeBasePackage(path)) as package:
        package.check(progress=lambda *_: None, cancelled=lambda: False)
        files = {document.name: document.sha256 for document in package.documents()}
        return contents(files, package.manifest.chunks)


def contents(files: dict[str, str], chunks: int) -> str:
    """The documents of a knowledge base with their digests, and the number of its chunks."""
    return json.dumps([sorted(files.items()), chunks])


def work(task: Task) -> None:
    """Work until killed."""
    journal = os.open(task.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        service = open_service(Path(task.folder), chunk_size=task.chunk_size, real=task.real)
        service.start()
        chosen = random.Random(task.seed)  # noqa: S311 - the same choices each time
        worker = Worker(service, chosen, journal, task.real, packages_of(Path(task.folder)))
        worker.tell("started")
        worker.run()
    except BaseException:
        os.write(journal, json.dumps({"what": "failed", "why": traceback.format_exc()}).encode() + b"\n")
    finally:
        os._exit(1)


def main() -> None:
    # Before the first copy is made; the engines start no thread until they are used.
    import faiss
    import tantivy

    import loaders.pdf

    assert faiss and tantivy and loaders.pdf
    content(("", "x.pdf"), 1)
    for line in sys.stdin:
        task = Task(**json.loads(line))
        process = os.fork()
        if process == 0:
            work(task)
        print(process, flush=True)  # noqa: T201
        os.waitpid(process, 0)
        print("ended", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
