"""What figures depend on besides the program."""

from __future__ import annotations

import os
import platform
from typing import Any


def machine() -> dict[str, Any]:
    """System, processors and Python; nothing that names the machine or its user."""
    return {
        "system": platform.platform(terse=True),
        "processor": platform.machine(),
        "processors": os.cpu_count() or 1,
        "python": platform.python_version(),
    }
