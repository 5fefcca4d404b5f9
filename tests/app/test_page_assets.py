from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from app.pages.assets import KeptAssets

SCRIPT = "export const answer = 42; " * 40


class Pages:
    """What is mounted, and how often it was asked for what."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.application = Starlette(
            routes=[
                Route("/assets/{name:path}", self._asset, methods=["GET", "HEAD", "POST"]),
                Route("/file.js", self._asset),
            ]
        )
        self.application.add_middleware(GZipMiddleware)

    async def _asset(self, request: Request) -> Response:
        name = request.path_params.get("name", "file.js")
        self.asked.append(name)
        if name.startswith("missing"):
            return PlainTextResponse("Not Found", status_code=404)
        body = SCRIPT.encode()[:100] if "range" in request.headers else SCRIPT.encode()
        return Response(body, media_type="text/javascript", headers={"x-zhiwen-run": "first"})


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def assets() -> KeptAssets:
    return KeptAssets()


@pytest.fixture
def client(pages: Pages, assets: KeptAssets) -> TestClient:
    return TestClient(assets.around(pages.application))


@pytest.mark.parametrize("accepted", ["gzip, deflate", "identity", ""])
def test_an_asset_is_made_once_for_each_encoding(client: TestClient, pages: Pages, accepted: str) -> None:
    for _ in range(3):
        answer = client.get("/assets/index-AbC.js", headers={"accept-encoding": accepted})
        assert answer.status_code == 200
        assert answer.text == SCRIPT
        assert answer.headers.get("content-encoding") == ("gzip" if "gzip" in accepted else None)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert "x-zhiwen-run" not in answer.headers
    assert pages.asked == ["index-AbC.js"]


def test_only_what_is_there_is_kept(client: TestClient, pages: Pages, assets: KeptAssets) -> None:
    for _ in range(2):
        answer = client.get("/assets/missing-1.js")
        assert answer.status_code == 404
        assert "cache-control" not in answer.headers
    assert pages.asked == ["missing-1.js"] * 2
    assert assets.links() == ""


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/assets/a.js"), ("HEAD", "/assets/a.js"), ("GET", "/assets/a/b.js")]
)
def test_all_else_is_passed_on(client: TestClient, pages: Pages, method: str, path: str) -> None:
    for _ in range(2):
        assert client.request(method, path).status_code == 200
    assert len(pages.asked) == 2


def test_a_part_of_a_file_is_never_kept_as_the_whole(client: TestClient) -> None:
    client.get("/assets/a.js", headers={"range": "bytes=0-99"})
    assert client.get("/assets/a.js").text == SCRIPT


def test_headers_added_on_the_way_do_not_pile_up(pages: Pages, assets: KeptAssets) -> None:
    inner = assets.around(pages.application)

    async def adding(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-request-id", b"one"))
            await send(message)

        await inner(scope, receive, with_header)

    client = TestClient(adding)
    for _ in range(3):
        assert client.get("/assets/a.js").headers.get_list("x-request-id") == ["one"]


def test_a_page_names_what_pages_needed_before(client: TestClient, assets: KeptAssets) -> None:
    assert assets.links() == ""
    for path in ("/assets/index-1.js", "/assets/index-2.css", "/assets/index-1.js", "/file.js"):
        client.get(path)
    client.get("/assets/index-1.js", headers={"accept-encoding": "identity"})
    assert assets.links() == (
        '<link rel="modulepreload" crossorigin href="./assets/index-1.js">'
        '<link rel="preload" as="style" crossorigin href="./assets/index-2.css">'
    )


def test_a_page_names_no_more_than_pages_need(client: TestClient, assets: KeptAssets) -> None:
    for number in range(150):
        client.get(f"/assets/index-{number}.js")
    assert assets.links().count("<link") == 100
    assert "index-0.js" in assets.links()
