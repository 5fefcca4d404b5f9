"""The pages' own style sheet and script, and the snippet that carries clicks to the server."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from app.messages import LANGUAGES
from app.pages.language import LANGUAGE_COOKIE
from app.pages.texts import text

_SCRIPTS = ("page.js", "focus.js", "transfer.js")
_HEADER_TEXTS = (
    *("title", "tagline", "theme", "language", "sessions", "close", "loading", "matrix_hint", "logged_out"),
    *("key_login", "connection_lost"),
)
"""Those that the page's script puts in."""

ACTIONS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-action]');
  if (!button || !element.contains(button)) return;
  if (button.dataset.tab) { window.zhiwen.openTab(button.dataset.tab, button.dataset.question); return; }
  if (button.dataset.confirm && !window.confirm(button.dataset.confirm)) return;
  const data = {...button.dataset};
  if (data.prompt) {
    data.value = window.prompt(data.prompt, data.value);
    if (data.value === null) return;
  }
  if (data.field) data.value = document.getElementById(data.field).value;
  if (window.innerWidth <= 1000) data.narrow = 'yes';
  if (data.event === 'read') trigger('read', data);
  else trigger('act', data);
});
"""
"""For `gr.HTML(js_on_load=…)`: a click on a `data-action` button becomes an `act` event.

With `data-confirm` or `data-prompt` the browser asks first; `data-field` names the input whose value
goes along; `data-event="read"` makes it a `read` event, which waits for no answer in the making;
`data-tab` opens that tab instead, and asks `data-question` in the retrieval test.
"""
DROP_ZONE = "window.zhiwen.dropZone(element, (data) => trigger('act', data));"
TRANSFERS = "window.zhiwen.transfers(element, (data) => trigger('act', data));"
IMPORT = "window.zhiwen.importing(element, (data) => trigger('act', data));"
"""The same for what `transfer.js` sends to the HTTP interface and fetches from it."""


RUN = secrets.token_hex(8)
"""Which run of the service a page is from; the headers of its answers say it too."""


def head_html(language_setting: str) -> str:
    """What goes into the page's head: the style sheet and the script."""
    folder = Path(__file__).parent
    style = (folder / "page.css").read_text(encoding="utf-8")
    script = "".join((folder / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    texts = {language: {key: text(key, language) for key in _HEADER_TEXTS} for language in LANGUAGES}
    facts = {"cookie": LANGUAGE_COOKIE, "language": language_setting, "run": RUN, "texts": texts}
    constants = json.dumps(facts)
    return f"<style>{style}</style><script>window.zhiwenPage = {constants};\n{script}</script>"
