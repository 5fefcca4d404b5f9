"""The `zhiwen` command; heavy imports wait inside the commands so that `--help` is quick."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from app.cli.bench import bench
from app.cli.evaluate import evaluate
from app.cli.keys import keys
from app.cli.knowledge_bases import kb
from app.cli.models import models
from app.cli.output import Output, Share, output_options
from app.cli.transfer import backup, restore

_KB = click.argument("knowledge_base", metavar="KB")
_KBS = click.option(
    "--kb",
    "knowledge_bases",
    multiple=True,
    required=True,
    metavar="KB",
    help="知识库，可多次给出 / knowledge base, may be repeated",
)
_TOP_K = click.option("--top-k", type=click.IntRange(1, 100), help="最多引用的片段数 / passages at most")
_THRESHOLD = click.option("--threshold", type=Share(1), help="相关度下限 0~1 / least relevance")
_NEIGHBOURS = click.option(
    "--neighbours/--no-neighbours",
    default=None,
    help="片段带上前后文 / passages bring the text before and after them",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="zhiwen")
@click.option("--data-dir", type=click.Path(path_type=Path), help="数据文件夹 / data folder")
@click.pass_context
def cli(context: click.Context, data_dir: Path | None) -> None:
    """知问：在本机上回答您自己文档中的问题 / answers questions over your own documents."""
    context.obj = {"data_dir": data_dir} if data_dir else {}


@cli.command()
@_KB
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH…")
@click.option("--mirror", is_flag=True, help="与一个文件夹保持一致 / follow one folder: new, changed, gone")
@click.option("--dry-run", is_flag=True, help="只显示将做什么 / with --mirror: only say what would be done")
@click.option("--allow-empty", is_flag=True, help="文件夹为空时也删除 / with --mirror: even when it is empty")
@output_options
def ingest(
    output: Output,
    knowledge_base: str,
    paths: tuple[Path, ...],
    mirror: bool,
    dry_run: bool,
    allow_empty: bool,
) -> None:
    """导入文件或文件夹，知识库不存在时新建 / Ingest files and folders; makes KB when missing."""
    if mirror:
        from app.cli.mirror import mirror as mirror_folder

        if len(paths) != 1:
            raise click.UsageError("--mirror: 只能给出一个文件夹 / takes one folder")
        mirror_folder(output, knowledge_base, paths[0], dry_run=dry_run, allow_empty=allow_empty)
        return
    if dry_run or allow_empty:
        raise click.UsageError("--dry-run, --allow-empty: 须与 --mirror 同用 / need --mirror")
    from app.cli.ingest import ingest_paths

    output.documents(ingest_paths(output, knowledge_base, paths))


@cli.command()
@_KB
@output_options
def documents(output: Output, knowledge_base: str) -> None:
    """列出文档 / List a knowledge base's documents."""
    from app import schemas

    with output.service() as service:
        infos = service.documents(knowledge_base)
    language = output.language()
    output.documents([schemas.stored(info, language) for info in infos])


@cli.command()
@_KB
@click.argument("document", metavar="DOCUMENT")
@output_options
def delete(output: Output, knowledge_base: str, document: str) -> None:
    """按编号或名称删除文档 / Delete a document by its id, or one of its names."""
    with output.service() as service:
        found = service.lifecycle.find(knowledge_base, document)
        if found == document:
            service.delete_document(knowledge_base, found)
        else:
            service.lifecycle.delete_name(knowledge_base, document)
    output.result({"deleted": found}, document)


@cli.command()
@_KB
@click.argument("document", metavar="DOCUMENT")
@click.argument("name", metavar="NAME")
@output_options
def rename(output: Output, knowledge_base: str, document: str, name: str) -> None:
    """重命名文档 / Rename a document."""
    from app import schemas

    with output.service() as service:
        document_id = service.lifecycle.find(knowledge_base, document)
        info = service.lifecycle.rename(knowledge_base, document_id, name)
    output.result(schemas.stored(info, output.language()).model_dump(mode="json"), info.name)


@cli.command()
@_KB
@click.argument("document", metavar="DOCUMENT")
@click.argument("target", metavar="TARGET")
@output_options
def move(output: Output, knowledge_base: str, document: str, target: str) -> None:
    """移动文档到另一知识库 / Move a document into the knowledge base TARGET."""
    from app import schemas

    with output.service() as service:
        document_id = service.lifecycle.find(knowledge_base, document)
        info = service.lifecycle.move(knowledge_base, document_id, target)
    output.result(schemas.stored(info, output.language()).model_dump(mode="json"), info.name)


@cli.command()
@click.argument("question")
@_KBS
@_TOP_K
@_THRESHOLD
@_NEIGHBOURS
@click.option("--model", help="回答所用的模型 / chat model by name")
@output_options
def ask(output: Output, question: str, **options: Any) -> None:
    """提问，答案附引用 / Ask a question; the answer cites its sources."""
    from app import schemas

    with output.service() as service:
        answer = schemas.answer(service.ask(question, **options))
    lines = [answer.answer, ""]
    for citation in answer.citations:
        page = f" p.{citation.page}" if citation.page else ""
        lines.append(f"[{citation.index}] {citation.document}{page} ({citation.score:.2f})")
    output.result(answer.model_dump(mode="json"), "\n".join(lines).rstrip())


@cli.command()
@click.argument("query")
@_KBS
@_TOP_K
@_THRESHOLD
@_NEIGHBOURS
@output_options
def search(output: Output, query: str, **options: Any) -> None:
    """检索片段 / Find passages."""
    from app import schemas

    with output.service() as service:
        hits = [schemas.hit(hit) for hit in service.search(query, **options)]
    lines = []
    for hit in hits:
        page = f" p.{hit.page}" if hit.page else ""
        lines.append(f"{hit.score:.3f} {hit.document}{page}\n    {hit.text[:100]!r}")
    output.result({"hits": [hit.model_dump(mode="json") for hit in hits]}, "\n".join(lines))


cli.add_command(kb)
cli.add_command(models)
cli.add_command(backup)
cli.add_command(restore)
cli.add_command(evaluate)
cli.add_command(bench)
cli.add_command(keys)


@cli.group()
def config() -> None:
    """设置 / Settings."""


@config.command("show")
@output_options
def config_show(output: Output) -> None:
    """显示每项设置及其来源 / Show each setting and where it came from."""
    from app.settings import setting_sources

    found = setting_sources(output.arguments)
    shown = {key: {"value": value, "source": source} for key, (value, source) in found.items()}
    text = "\n".join(f"{key} = {value!r}  # {source}" for key, (value, source) in found.items())
    output.result({"settings": shown}, text)


@cli.command()
@click.option("--deep", is_flag=True, help="逐个核对原文件 / compare every file with its checksum")
@click.option(
    "--rescue",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="把可读的内容存入新的数据文件夹 / save what can be read into a new data folder",
)
@output_options
def check(output: Output, deep: bool, rescue: Path | None) -> None:
    """检查数据文件夹 / Check whether all that is stored can be read."""
    from app.cli.check import check_folder

    check_folder(output, deep=deep, rescue=rescue)


@cli.command()
@click.option("--api-only", is_flag=True, help="只提供 HTTP 接口 / the HTTP interface without the pages")
@click.option("--host", help="监听地址 / address")
@click.option("--port", type=click.IntRange(0, 65535), help="端口 / port")
@click.option("--workers", type=click.IntRange(1), default=1, help="只能为 1 / processes: 1 and no more")
@click.pass_obj
def serve(
    arguments: dict[str, Any], api_only: bool, host: str | None, port: int | None, workers: int
) -> None:
    """启动网页与 HTTP 接口 / Serve the pages and the HTTP interface."""
    if workers > 1:
        from app.errors import WorkersError

        raise WorkersError("the service is one process")
    from app.serving import serve as run

    run(arguments, pages=not api_only, host=host, port=port)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, by default on the process's arguments.

    An error of ours becomes one line on stderr and exit status 1.
    """
    from app.cli.output import report_error, report_usage, show_any_text

    show_any_text()
    try:
        # Without the standalone mode an `Exit` comes back as its status, not as an exception.
        status = cli.main(arguments, prog_name="zhiwen", standalone_mode=False)
    except click.Abort:
        status = 130
    except click.ClickException as error:
        status = report_usage(error, sys.argv[1:] if arguments is None else arguments)
    except Exception as error:
        status = report_error(error, sys.argv[1:] if arguments is None else arguments)
    sys.exit(status or 0)
