"""Write the sample documents that are not plain Markdown or CSV: `python -m benchmarks.make_samples`.

Their text stands in `benchmarks/sample_sources/`; the outputs go to `knowledge_base/samples/`, or to
the folder named as the argument. Two runs with the same library versions and fonts give the same
bytes. reportlab comes with the `dev` extra; the scan needs Debian's package fonts-noto-cjk.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.sample_renderers.manual import make_manual
from benchmarks.sample_renderers.office import Sheet, make_docx, make_workbook
from benchmarks.sample_renderers.scan import make_scan

SOURCES = Path(__file__).resolve().parent / "sample_sources"
SAMPLES = Path(__file__).resolve().parent.parent / "knowledge_base" / "samples"

SALES_BY_REGION: tuple[tuple[str, int, int, int, int], ...] = (
    # Region, sales of April, May and June, target of the quarter, in 10,000 yuan.
    ("华东", 521, 548, 583, 1500),
    ("华南", 322, 330, 353, 980),
    ("华北", 215, 186, 202, 620),
    ("西南", 152, 131, 137, 480),
    ("港台", 104, 109, 125, 320),
    ("海外", 96, 83, 89, 300),
)
SALES_BY_PRODUCT = (
    ("产品", "单位", "销量", "单价（元）", "销售额（万元）", "去年同期销量", "产品负责人"),
    ("SG-200网关", "台", 4270, 4200, 1793.4, 2980, "网关产品经理"),
    ("SG-100网关", "台", 2730, 2600, 709.8, 3150, "网关产品经理"),
    ("数采平台标准版", "站点", 620, 9800, 607.6, 455, "平台产品经理"),
    ("数采平台高级版", "站点", 270, 26000, 702.0, 190, "平台产品经理"),
    ("维保与实施服务", "项", 182, 26000, 473.2, 160, "客户成功经理"),
)
RECEIVABLES = (
    ("客户", "行业", "二季度签约额（万元）", "应收余额（万元）", "账期（天）", "最早到期日", "跟进岗位"),
    ("示例青禾水务", "水务", 318, 126.5, 60, "2026-07-28", "华东销售一组组长"),
    ("示例云帆纺织", "纺织", 207, 88.0, 45, "2026-07-15", "华东销售二组组长"),
    ("示例南屿电子", "电子", 264, 143.2, 60, "2026-08-09", "华南销售组组长"),
    ("示例北辰热力", "能源", 151, 97.6, 90, "2026-09-20", "华北销售组组长"),
    ("示例蜀岭化工", "化工", 96, 51.3, 45, "2026-07-22", "西南销售组组长"),
    ("示例港汇仓储", "物流", 73, 22.4, 30, "2026-07-10", "香港分公司经理"),
)


def _sales_sheets() -> list[Sheet]:
    header: tuple[str | float, ...] = ("区域", "4月", "5月", "6月", "合计", "季度目标", "完成率")
    april, may, june, target = (
        sum(column) for column in zip(*(row[1:] for row in SALES_BY_REGION), strict=True)
    )
    rows = [header]
    for name, *months, goal in (*SALES_BY_REGION, ("合计", april, may, june, target)):
        rows.append((name, *months, sum(months), goal, sum(months) / goal))
    return [
        Sheet("按区域", rows, title="2026年第二季度销售统计（按区域，单位：万元）"),
        Sheet("按产品", SALES_BY_PRODUCT),
        Sheet("应收账款", RECEIVABLES),
    ]


def make_samples(folder: Path) -> list[Path]:
    """Write every generated sample into `folder` and return their paths."""
    documents = {
        "差旅与费用报销管理办法.docx": make_docx(SOURCES / "travel_policy.md"),
        "供应商采购框架合同模板.docx": make_docx(SOURCES / "supplier_contract.md"),
        "2026年第二季度销售统计.xlsx": make_workbook(_sales_sheets()),
        "SG-200工业边缘网关用户手册.pdf": make_manual(SOURCES / "product_manual.md"),
        "停电检修通知-扫描件.pdf": make_scan(SOURCES / "notice.md"),
        "产品委员会会议纪要-2026年7月.txt": _encode("minutes.txt", "gb18030"),
        "港台分支工作指引.txt": _encode("hong_kong_taipei.txt", "big5"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in documents.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in documents]


def _encode(source: str, encoding: str) -> bytes:
    """Save a text as old Windows editors do: in a regional encoding with CR LF."""
    return (SOURCES / source).read_text(encoding="utf-8").replace("\n", "\r\n").encode(encoding)


if __name__ == "__main__":
    for path in make_samples(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES):
        print(f"{path.stat().st_size:>9,}  {path}")
