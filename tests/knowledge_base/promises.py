"""What must be true of a data folder whatever has happened to it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from app.service import Service
from knowledge_base import searched_chunks
from vectorstore.hybrid import HybridIndex

_ORPHANS = {
    "half imports": "SELECT count(*) FROM knowledge_bases WHERE session_id LIKE 'import:%'",
    "chunks without a document": "SELECT count(*) FROM chunks "
    "WHERE document_id NOT IN (SELECT id FROM documents)",
    "chunks without a vector": "SELECT count(*) FROM chunks WHERE id NOT IN (SELECT chunk_id FROM vectors)",
    "vectors without a chunk": "SELECT count(*) FROM vectors WHERE chunk_id NOT IN (SELECT id FROM chunks)",
    "documents without a name": "SELECT count(*) FROM documents d WHERE NOT EXISTS "
    "(SELECT 1 FROM document_names n WHERE n.document_id = d.id AND n.name = d.name)",
    "chunks of no generation": "SELECT count(*) FROM chunks c JOIN knowledge_bases k "
    "ON k.id = c.knowledge_base_id WHERE c.generation != k.generation AND NOT EXISTS "
    "(SELECT 1 FROM generations g WHERE g.knowledge_base_id = k.id AND g.number = c.generation)",
    "vectors of two embedders": "SELECT count(*) FROM (SELECT 1 FROM chunks c "
    "JOIN vectors v ON v.chunk_id = c.id "
    "GROUP BY c.knowledge_base_id, c.generation HAVING count(DISTINCT v.embedder) > 1)",
}


def broken(service: Service, folder: Path) -> list[str]:
    """What is not as it must be, while no job runs: of the catalogue, the files and the indexes."""
    return [*_catalogue(service), *_files(service, folder), *_indexes(service, folder)]


def _catalogue(service: Service) -> list[str]:
    found: list[str] = []
    with service._parts.catalogue.database.read() as connection:
        for statement in ("PRAGMA integrity_check", "PRAGMA foreign_key_check"):
            found.extend(str(row) for row in connection.execute(text(statement)) if tuple(row) != ("ok",))
        for what, statement in _ORPHANS.items():
            count = connection.execute(text(statement)).scalar()
            if count:
                found.append(f"{count} {what}")
    return found + [
        f"job {job.id} is {job.state}" for job in service.jobs() if job.state in {"queued", "running"}
    ]


def _files(service: Service, folder: Path) -> list[str]:
    wanted = service._parts.catalogue.referenced()
    there = {path.name for path in (folder / "files").glob("??/*")}
    found = [f"file {name} belongs to nothing" for name in there - wanted]
    found += [f"file {name} is missing" for name in wanted - there]
    found += [f"{path} was left" for path in (folder / "files" / "incoming").glob("*")]
    found += [f"{path} was left" for path in (folder / "files" / "pinned").glob("*")]
    return found + [f"{path} was left" for path in (folder / "pages").glob("*") if path.suffix != ".lock"]


def _indexes(service: Service, folder: Path) -> list[str]:
    found = []
    database = service._parts.catalogue.database
    wanted_places = set()
    keys = service._parts.catalogue.keys()
    for key in keys:
        with database.read() as connection:
            wanted = searched_chunks.enabled_ids(connection, key.id, key.generation)
            dimension = searched_chunks.dimension(connection, key.id, key.generation)
            numbers = connection.execute(
                text("SELECT number FROM generations WHERE knowledge_base_id = :id"), {"id": key.id}
            )
            for number in {0, key.generation, *numbers.scalars()}:
                wanted_places.add(f"{key.id}-{number}" if number else f"{key.id}")
        if dimension is None:
            continue
        index = service._parts.indexes.index(key, dimension=dimension)
        assert isinstance(index, HybridIndex)
        if index.ids() != wanted:
            found.append(f"the index of {key.name} has {len(index)} of {len(wanted)} chunks")
        if index.keyword.texts(wanted).keys() != wanted:
            found.append(f"the keyword arm of {key.name} lacks chunks")
        if index.keyword.frequency()("x")[1] != len(wanted):
            found.append(f"the keyword arm of {key.name} has more than {len(wanted)} chunks")
    places = {path.name for path in (folder / "indexes").glob("*")}
    return found + [f"index {name} belongs to nothing" for name in places - wanted_places]
