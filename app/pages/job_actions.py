"""What can be done with a job on the pages: cancelling it, and trying again what is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.failures import KNOWN
from app.messages import Language
from app.pages.library_html import notice_html

if TYPE_CHECKING:
    from app.service import Service


def act_on_job(service: Service, action: Mapping[str, Any], language: Language) -> str:
    """Do what a button of a job says; returns a notice as HTML, empty when all went well."""
    job_id = str(action.get("id", ""))
    try:
        if action.get("action") == "cancel":
            service.cancel_job(job_id)
        elif action.get("action") == "retry":
            service.retry_job(job_id)
    except KNOWN as error:
        return notice_html(error, language)
    return ""
