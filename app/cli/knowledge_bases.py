"""`zhiwen kb`: knowledge bases as a whole."""

from __future__ import annotations

import click

from app.cli.output import Output, output_options
from app.cli.transfer import export, import_

_KB = click.argument("knowledge_base", metavar="KB")


@click.group()
def kb() -> None:
    """管理知识库 / Manage knowledge bases."""


@kb.command("list")
@output_options
def kb_list(output: Output) -> None:
    """列出知识库 / List knowledge bases."""
    from app import schemas

    with output.service() as service:
        infos = [schemas.KnowledgeBase.model_validate(info) for info in service.knowledge_bases()]
    text = "\n".join(f"{info.name}\t{info.documents}\t{info.chunks}" for info in infos)
    output.result({"knowledge_bases": [info.model_dump(mode="json") for info in infos]}, text)


@kb.command("create")
@_KB
@click.option("--description", default="", help="说明 / description")
@output_options
def kb_create(output: Output, knowledge_base: str, description: str) -> None:
    """新建知识库 / Make a knowledge base."""
    from app import schemas

    with output.service() as service:
        info = schemas.KnowledgeBase.model_validate(
            service.create_knowledge_base(knowledge_base, description)
        )
    output.result(info.model_dump(mode="json"), info.name)


@kb.command("delete")
@_KB
@output_options
def kb_delete(output: Output, knowledge_base: str) -> None:
    """删除知识库及其全部文档 / Delete a knowledge base with all its documents."""
    with output.service() as service:
        service.delete_knowledge_base(knowledge_base)
    output.result({"deleted": knowledge_base}, knowledge_base)


@kb.command("rebuild")
@_KB
@output_options
def kb_rebuild(output: Output, knowledge_base: str) -> None:
    """按当前设置重新解析、切分和向量化 / Parse, split and embed again as the settings are now."""
    with output.service() as service:
        info = service.rebuild_knowledge_base(knowledge_base, progress=output.progress)
    output.knowledge_base(info)


@kb.command("rollback")
@_KB
@output_options
def kb_rollback(output: Output, knowledge_base: str) -> None:
    """恢复到上次重建之前 / Go back to what was before the last rebuild."""
    with output.service() as service:
        service.rebuilds.rollback(service.key(knowledge_base))
        info = service.knowledge_base(knowledge_base)
    output.knowledge_base(info)


kb.add_command(export)
kb.add_command(import_)
