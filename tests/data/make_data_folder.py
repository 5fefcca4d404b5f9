"""Makes a small data folder with the code of a checkout, for the tests of later versions to open.

`PYTHONPATH=CHECKOUT python tests/data/make_data_folder.py tests/data/schema-NUMBER`
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.knowledge_base.doubles import open_home


def make(folder: Path) -> None:
    """One knowledge base with one document, embedded by the tests' stand-in."""
    home = open_home(folder)
    home.add("制度-a_b%", {"中文 手册.txt": "年假每年十天。\n\n报销须附发票，三十天内提交。"})
    home.close()
    for name in ("indexes", "pages", "files/incoming"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for left in folder.glob("*.lock"):
        left.unlink()


if __name__ == "__main__":
    make(Path(sys.argv[1]))
