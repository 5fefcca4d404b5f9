"""What figures depend on besides the program."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_PACKAGES = (
    *("zhiwen", "gradio", "fastapi", "torch", "transformers", "sentence-transformers", "langchain-core"),
    *("faiss-cpu", "tantivy", "pdfplumber", "paddleocr", "onnxruntime"),
)


def machine() -> dict[str, Any]:
    """System, processors and Python; nothing that names the machine or its user."""
    return {
        "system": platform.platform(terse=True),
        "processor": platform.machine(),
        "processors": os.cpu_count() or 1,
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Versions of what the program is made of, as far as it is installed. Nothing is imported."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def process_memory() -> int:
    """Bytes of memory that this process holds."""
    import psutil

    return int(psutil.Process().memory_info().rss)
