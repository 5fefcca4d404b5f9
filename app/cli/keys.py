"""`zhiwen keys`: who may use the HTTP interface and the pages from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.cli.output import Output, output_options

if TYPE_CHECKING:
    from app.service import Service
    from knowledge_base.api_keys import ApiKey


@click.group()
def keys() -> None:
    """管理访问密钥 / Keys of the HTTP interface."""


@keys.command("create")
@click.argument("name", metavar="NAME")
@click.option(
    "--role",
    type=click.Choice(["reader", "editor", "admin"]),
    default="reader",
    help="权限：只读、可编辑、可管理 / reads; also changes documents; also knowledge bases",
)
@click.option(
    "--kb",
    "knowledge_bases",
    multiple=True,
    metavar="KB",
    help="可用的知识库，可多次给出；不给则为全部 / knowledge base it may touch, repeatable; without: all",
)
@output_options
def keys_create(output: Output, name: str, role: Any, knowledge_bases: tuple[str, ...]) -> None:
    """新建密钥，仅显示一次 / Make a key; it is shown this once."""
    with output.service() as service:
        key, secret = service.keys.create(name, role=role, names=knowledge_bases or None)
        shown = _shown(service, key)
    output.result({**shown, "key": secret}, secret)


@keys.command("list")
@output_options
def keys_list(output: Output) -> None:
    """列出密钥 / List the keys, revoked ones too."""
    with output.service() as service:
        listed = [_shown(service, key) for key in service.keys.list()]
    lines = []
    for each in listed:
        names = "*" if each["knowledge_bases"] is None else ", ".join(each["knowledge_bases"])
        state = "revoked" if each["revoked_at"] else "valid"
        lines.append("\t".join((each["id"], state, each["role"], each["name"], names)))
    output.result({"keys": listed}, "\n".join(lines))


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
@output_options
def keys_revoke(output: Output, key_id: str) -> None:
    """吊销密钥，其对话从此无人能打开 / Revoke a key; nobody opens its conversations any more."""
    with output.service() as service:
        shown = _shown(service, service.keys.revoke(key_id))
    output.result(shown, key_id)


@keys.command("prune")
@output_options
def keys_prune(output: Output) -> None:
    """删除已无密钥能打开的对话及其文件 / Delete the conversations, with their files, that no key opens."""
    with output.service() as service:
        count = service.unreachable_sessions.delete()
    output.result({"deleted": count}, str(count))


def _shown(service: Service, key: ApiKey) -> dict[str, Any]:
    names = service.keys.names(key)
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "knowledge_bases": None if names is None else list(names),
        "created_at": key.created_at.isoformat(),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
    }
