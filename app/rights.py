"""What a key may do: the service as the holder of one key sees it.

This is the only place where rights are decided. A view passes on nothing that is not listed here, so
that a new ability is closed until somebody has said who may use it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from app.errors import ForbiddenError
from knowledge_base.api_keys import ROLES, ApiKey, Role
from knowledge_base.errors import JobNotFoundError, KnowledgeBaseNotFoundError

if TYPE_CHECKING:
    from app.service import Service
    from knowledge_base.sessions import SessionStore
    from knowledge_base.types import JobInfo, KnowledgeBaseInfo


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks. `key_id` is None where no key is needed; `knowledge_base_ids` None: all."""

    key_id: str | None = None
    role: Role = "admin"
    knowledge_base_ids: frozenset[int] | None = None

    @classmethod
    def of(cls, key: ApiKey) -> Access:
        """The access that a key gives."""
        return cls(key.id, key.role, key.knowledge_base_ids)

    def has(self, role: Role) -> bool:
        """Whether the role is at least this one."""
        return ROLES.index(self.role) >= ROLES.index(role)


EVERYTHING = Access()
"""What everybody may do as long as no key was made."""

# Methods whose first argument names a knowledge base, with the role that they need there.
_SERVICE: Mapping[str, Role] = MappingProxyType(
    {
        "knowledge_base": "reader",
        "key": "reader",
        "documents": "reader",
        "document": "reader",
        "document_file": "reader",
        "document_chunks": "reader",
        "page_picture": "reader",
        "submit": "editor",
        "delete_document": "editor",
        "submit_rebuild": "editor",
        "delete_knowledge_base": "admin",
    }
)
_CHUNKS: Mapping[str, Role] = MappingProxyType(
    {
        "chunks": "reader",
        "chunk": "reader",
        "edits": "reader",
        "suggestions": "reader",
        "add": "editor",
        "change": "editor",
        "delete": "editor",
        "discard": "editor",
        "keep": "editor",
    }
)
_LIFECYCLE: Mapping[str, Role] = MappingProxyType(
    {
        "find": "reader",
        "check_free": "editor",
        "versions": "reader",
        "rename": "editor",
        "delete_name": "editor",
    }
)
_LISTING: Mapping[str, Role] = MappingProxyType({"page": "reader"})
_SPLITTING: Mapping[str, Role] = MappingProxyType({"split": "reader"})
_REBUILDS: Mapping[str, Role] = MappingProxyType({"forget_previous": "editor"})
_EXPORTS: Mapping[str, Role] = MappingProxyType({"export": "editor"})
_FILES: Mapping[str, Role] = MappingProxyType({"name": "reader", "ensure": "editor", "delete": "reader"})
# Methods that are about no knowledge base.
_ANYWHERE: Mapping[str, Role] = MappingProxyType(
    {
        "threshold": "reader",
        "embedder": "reader",
        "index_report": "reader",
        "store": "editor",
        "discard": "editor",
    }
)
_MODELS: Mapping[str, Role] = MappingProxyType(
    {"list": "reader", "status": "reader", "load": "admin", "unload": "admin"}
)


def for_access(service: Service, access: Access) -> Service:
    """The service as `access` allows it: whatever is not seen is not there.

    Raises, with every method, `KnowledgeBaseNotFoundError` and `JobNotFoundError` for what is not
    seen, the same as for what does not exist, and `ForbiddenError` where a role is too low for what
    is seen.
    """
    return cast("Service", _View(service, access))


class _View:
    def __init__(self, service: Service, access: Access) -> None:
        self._service = service
        self._access = access
        self.settings = service.settings

    def __getattr__(self, name: str) -> Any:
        if name in _SERVICE:
            return _checked(getattr(self._service, name), self._may, _SERVICE[name])
        if name in _ANYWHERE:
            self._needs(_ANYWHERE[name])
            return getattr(self._service, name)
        raise AttributeError(f"no right is stated for {name!r}")

    # -- what belongs to a knowledge base ---------------------------------------------------------

    @property
    def chunks(self) -> Any:
        return _Methods(self._service.chunks, self._may, _CHUNKS)

    @property
    def lifecycle(self) -> Any:
        return _Lifecycle(self._service.lifecycle, self._may, _LIFECYCLE)

    @property
    def listing(self) -> Any:
        return _Methods(self._service.listing, self._may, _LISTING)

    @property
    def rebuilds(self) -> Any:
        return _Methods(self._service.rebuilds, self._may, _REBUILDS)

    @property
    def splitting(self) -> Any:
        return _Methods(self._service.splitting, self._may, _SPLITTING)

    @property
    def exports(self) -> Any:
        return _Methods(self._service.exports, self._may, _EXPORTS)

    @property
    def imports(self) -> Any:
        self._needs("admin", everywhere=True)  # as for making a knowledge base
        return self._service.imports

    @property
    def import_jobs(self) -> Any:
        self._needs("admin", everywhere=True)
        return self._service.import_jobs

    def knowledge_bases(self) -> list[KnowledgeBaseInfo]:
        infos = self._service.knowledge_bases()
        ids = self._access.knowledge_base_ids
        return infos if ids is None else [i for i in infos if self._service.key(i.name).id in ids]

    def create_knowledge_base(self, *arguments: Any, **options: Any) -> KnowledgeBaseInfo:
        # A name that is taken shows that it is, so those who may not see all names may not try.
        self._needs("admin", everywhere=True)
        return self._service.create_knowledge_base(*arguments, **options)

    def update_knowledge_base(
        self,
        name: str,
        *,
        new_name: str | None = None,
        description: str | None = None,
        prompt: str | None = None,
    ) -> KnowledgeBaseInfo:
        self._may(name, "admin")
        if new_name is not None:
            self._needs("admin", everywhere=True)
        return self._service.update_knowledge_base(
            name, new_name=new_name, description=description, prompt=prompt
        )

    def search(self, query: str, knowledge_bases: Sequence[str], **options: Any) -> Any:
        self._may_all(knowledge_bases)
        return self._service.search(query, knowledge_bases, **options)

    def retrieve(self, query: str, knowledge_bases: Sequence[str], **options: Any) -> Any:
        self._may_all(knowledge_bases)
        return self._service.retrieve(query, knowledge_bases, **options)

    def documents_pending(self, knowledge_bases: Sequence[str]) -> int:
        self._may_all(knowledge_bases)
        return self._service.documents_pending(knowledge_bases)

    def ask(self, question: str, knowledge_bases: Sequence[str], **options: Any) -> Any:
        self._may_all(knowledge_bases)
        return self._service.ask(question, knowledge_bases, **options)

    def ask_stream(self, question: str, knowledge_bases: Sequence[str], **options: Any) -> Any:
        self._may_all(knowledge_bases)
        return self._service.ask_stream(question, knowledge_bases, **options)

    # -- jobs ---------------------------------------------------------------------------------------

    def jobs(self) -> list[JobInfo]:
        return self._service.jobs(seen=self._may_see)

    def job(self, job_id: str) -> JobInfo:
        job = self._service.job(job_id)
        if not self._may_see(job.knowledge_base_id):
            raise JobNotFoundError(f"there is no job {job_id!r}", id=job_id)
        return job

    def job_events(self, job_id: str) -> Any:
        self.job(job_id)
        return self._service.job_events(job_id)

    def cancel_job(self, job_id: str) -> JobInfo:
        self.job(job_id)
        self._needs("editor")
        return self._service.cancel_job(job_id)

    def retry_job(self, job_id: str) -> JobInfo:
        self.job(job_id)
        self._needs("editor")
        return self._service.retry_job(job_id)

    # -- conversations -------------------------------------------------------------------------------

    @property
    def sessions(self) -> Any:
        return _Sessions(self._service.sessions, self._access.key_id, self._may_all)

    @property
    def conversation_files(self) -> Any:
        return _Methods(self._service.conversation_files, self._owns, _FILES)

    def _owns(self, session_id: str, role: Role) -> None:
        # Where no key is used, whoever knows the id of a conversation owns it; it cannot be guessed.
        if self._access.key_id is not None:
            self._service.sessions.session(self._access.key_id, session_id)
        self._needs(role)

    # -- the rest -------------------------------------------------------------------------------------

    @property
    def models(self) -> Any:
        return _Methods(self._service.models, lambda _, role: self._needs(role), _MODELS)

    @property
    def operations(self) -> Any:
        self._needs("admin")
        return self._service.operations

    @property
    def integrity(self) -> Any:
        self._needs("admin", everywhere=True)
        return self._service.integrity

    @property
    def keys(self) -> Any:
        self._needs("admin", everywhere=True)
        return self._service.keys

    def _needs(self, role: Role, *, everywhere: bool = False) -> None:
        if not self._access.has(role) or (everywhere and self._access.knowledge_base_ids is not None):
            raise ForbiddenError(f"this takes the role {role}", role=role)

    def _may(self, name: str, role: Role) -> None:
        key = self._service.key(name)
        if not self._may_see(key.id):
            raise KnowledgeBaseNotFoundError(f"there is no knowledge base {name!r}", name=name)
        self._needs(role)

    def _may_all(self, names: Sequence[str]) -> None:
        for name in names:
            self._may(name, "reader")

    def _may_see(self, knowledge_base_id: int) -> bool:
        conversation = self._service.conversation_files.conversation(knowledge_base_id)
        if conversation is not None:  # its files are those of who began it, whatever else a key may do
            return self._access.key_id in (None, conversation.owner)
        ids = self._access.knowledge_base_ids
        return ids is None or knowledge_base_id in ids


class _Methods:
    """Some methods of an object, each behind the role that it needs."""

    def __init__(self, target: Any, may: Callable[[Any, Role], None], roles: Mapping[str, Role]) -> None:
        self._target = target
        self._may = may
        self._roles = roles

    def __getattr__(self, name: str) -> Any:
        if name not in self._roles:
            raise AttributeError(f"no right is stated for {name!r}")
        return _checked(getattr(self._target, name), self._may, self._roles[name])


class _Sessions:
    """The conversations of a key, whoever a method is told that the owner be."""

    def __init__(
        self, target: SessionStore, owner: str | None, may_all: Callable[[Sequence[str]], None]
    ) -> None:
        self._target = target
        self._owner = owner
        self._may_all = may_all

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)

        def owned(owner: str | None, *arguments: Any, **options: Any) -> Any:
            # Names of knowledge bases that are not seen must not show that they exist.
            self._may_all(options.get("knowledge_bases") or ())
            return method(owner if self._owner is None else self._owner, *arguments, **options)

        return owned


class _Lifecycle(_Methods):
    def move(self, knowledge_base: str, document_id: str, target: str, *, name: str | None = None) -> Any:
        self._may(knowledge_base, "editor")
        self._may(target, "editor")
        return self._target.move(knowledge_base, document_id, target, name=name)


def _checked(method: Callable[..., Any], may: Callable[[Any, Role], None], role: Role) -> Callable[..., Any]:
    def checked(*arguments: Any, **options: Any) -> Any:
        named = arguments[0] if arguments else None
        may(getattr(named, "name", named), role)
        return method(*arguments, **options)

    return checked
