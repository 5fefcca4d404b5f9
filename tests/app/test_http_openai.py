"""OpenAI's own client, and LangChain's, against our routes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import numpy as np
import openai
import pytest
from fastapi.testclient import TestClient
from openai import OpenAI
from openai.types.chat import ChatCompletionUserMessageParam

from app.messages import translate
from app.service import Service
from models.embedder import Embedder
from tests.app.conftest import HANDBOOK, KB, MakeService
from tests.app.live import serving

pytestmark = pytest.mark.model

LEAVE = "我工龄六年，一年有几天年休假？"
UNKNOWN = "恒星的光谱型是怎样划分的？"


@pytest.fixture
def openai_client(url: str) -> Iterator[OpenAI]:
    """OpenAI's client, which speaks to a real server."""
    with OpenAI(
        base_url=f"{url}/v1", api_key="none", max_retries=0, default_headers={"Accept-Language": "en"}
    ) as client:
        yield client


def _ask(client: OpenAI, question: str, **body: object) -> openai.types.chat.ChatCompletion:
    return client.chat.completions.create(
        model="quote", messages=[{"role": "user", "content": question}], extra_body=body or None
    )


def test_models(openai_client: OpenAI) -> None:
    (model,) = openai_client.models.list().data
    assert (model.id, model.object, model.owned_by) == ("quote", "model", "zhiwen")


def test_chat(openai_client: OpenAI, client: TestClient) -> None:
    completion = _ask(openai_client, LEAVE, knowledge_bases=[KB])
    answer = client.post("/api/ask", json={"question": LEAVE, "knowledge_bases": [KB]}).json()
    (choice,) = completion.choices
    assert (choice.index, choice.finish_reason, choice.message.role) == (0, "stop", "assistant")
    assert choice.message.content == answer["answer"]
    assert completion.object == "chat.completion"
    assert completion.id.startswith("chatcmpl-")
    assert completion.usage is not None
    assert (
        completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    )
    assert completion.model_extra is not None
    assert completion.model_extra["citations"] == answer["citations"]
    assert completion.model_extra["refused"] is False
    assert completion.model_extra["citations"][0]["document"] == HANDBOOK


def test_all_knowledge_bases_are_searched_when_none_is_named(openai_client: OpenAI) -> None:
    completion = _ask(openai_client, LEAVE)
    assert completion.model_extra is not None
    assert completion.model_extra["citations"][0]["knowledge_base"] == KB


def test_a_refusal(openai_client: OpenAI) -> None:
    completion = _ask(openai_client, UNKNOWN, knowledge_bases=[KB])
    assert completion.choices[0].message.content == translate("refusal", "zh")
    assert completion.model_extra is not None
    assert (completion.model_extra["refused"], completion.model_extra["citations"]) == (True, [])


def test_no_knowledge_base_at_all(
    make_service: MakeService, client_of: Callable[[Service], TestClient]
) -> None:
    http_client = client_of(make_service())
    client = OpenAI(base_url="http://127.0.0.1/v1", api_key="none", http_client=http_client, max_retries=0)
    assert _ask(client, LEAVE).choices[0].message.content == translate("refusal", "zh")


def test_streamed_chat(openai_client: OpenAI) -> None:
    whole = _ask(openai_client, LEAVE, knowledge_bases=[KB])
    chunks = list(
        openai_client.chat.completions.create(
            model="quote",
            messages=[{"role": "user", "content": LEAVE}],
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"knowledge_bases": [KB]},
        )
    )
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1
    *told, last, usage = chunks
    text = "".join(chunk.choices[0].delta.content or "" for chunk in told)
    assert text == whole.choices[0].message.content
    assert told[0].choices[0].delta.role == "assistant"
    assert last.choices[0].finish_reason == "stop"
    assert last.model_extra is not None
    assert whole.model_extra is not None
    assert last.model_extra["citations"] == whole.model_extra["citations"]
    assert usage.choices == []
    assert usage.usage == whole.usage


def test_history_and_other_roles(openai_client: OpenAI) -> None:
    completion = openai_client.chat.completions.create(
        model="quote",
        temperature=0.3,
        messages=[
            {"role": "system", "content": "Answer briefly."},
            {"role": "user", "content": "年休假有几天？"},
            {"role": "assistant", "content": "工龄六年为10天。"},
            {"role": "user", "content": [{"type": "text", "text": "那它要提前多久申请？"}]},
        ],
    )
    assert completion.model_extra is not None
    assert completion.model_extra["citations"][0]["document"] == HANDBOOK


def test_errors_are_the_clients_own(openai_client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        _ask(openai_client, LEAVE, knowledge_bases=["none"])
    assert missing.value.status_code == 404
    assert isinstance(missing.value.body, dict)
    assert missing.value.body["code"] == "knowledge_base_not_found"
    with pytest.raises(openai.NotFoundError) as unknown:
        openai_client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "x"}])
    assert isinstance(unknown.value.body, dict)
    assert unknown.value.body["message"] == 'The settings name no chat model "gpt". There are: quote.'
    for messages in ([], [{"role": "assistant", "content": "x"}], [{"role": "user", "content": " "}]):
        with pytest.raises(openai.UnprocessableEntityError):
            openai_client.chat.completions.create(model="quote", messages=messages)


def test_a_broken_stream_reaches_the_client(
    make_service: MakeService, client_of: Callable[[Service], TestClient]
) -> None:
    service = make_service(answering={"models": {"broken": {"kind": "tests.app.fake_chat:BreakingModel"}}})
    service.create_knowledge_base(KB)
    service.ingest(KB, [service.store("年假.md", ["员工每年享有年假五天。".encode()])])
    http_client = client_of(service)
    client = OpenAI(base_url="http://127.0.0.1/v1", api_key="none", http_client=http_client, max_retries=0)
    question: ChatCompletionUserMessageParam = {"role": "user", "content": "年假有几天？"}
    with pytest.raises(openai.APIError) as caught:
        list(client.chat.completions.create(model="broken", messages=[question], stream=True))
    assert caught.value.code == "model_unavailable"
    with pytest.raises(openai.InternalServerError) as plain:
        client.chat.completions.create(model="broken", messages=[question])
    assert plain.value.status_code == 503


def test_embeddings(openai_client: OpenAI, client: TestClient, embedder: Embedder) -> None:
    texts = ["年休假", "Annual leave", " "]
    expected = embedder.encode_documents(texts)
    floats = openai_client.embeddings.create(model="embedding", input=texts, encoding_format="float")
    assert [item.index for item in floats.data] == [0, 1, 2]
    found = np.array([item.embedding for item in floats.data])
    assert found.shape == (3, 384)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    # The client asks for base64 unless told otherwise, and decodes it.
    decoded = openai_client.embeddings.create(model="embedding", input="年休假")
    np.testing.assert_allclose(decoded.data[0].embedding, expected[0], atol=1e-6)
    raw = client.post("/v1/embeddings", json={"input": "年休假", "encoding_format": "base64"}).json()
    np.testing.assert_allclose(
        np.frombuffer(base64.b64decode(raw["data"][0]["embedding"]), "<f4"), expected[0], atol=1e-6
    )
    for refused in ([], ["年"] * 2049):
        assert client.post("/v1/embeddings", json={"input": refused}).status_code == 422
    assert client.post("/v1/embeddings", json={}).status_code == 422


def test_a_key_is_the_clients_api_key(make_service: MakeService) -> None:
    service = make_service()
    _, secret = service.keys.create("reader")
    with serving(service) as port:
        address = f"http://127.0.0.1:{port}/v1"
        with OpenAI(base_url=address, api_key=secret, max_retries=0) as client:
            assert [model.id for model in client.models.list().data] == ["quote"]
        with (
            OpenAI(base_url=address, api_key="zw_no_key", max_retries=0) as client,
            pytest.raises(openai.AuthenticationError),
        ):
            client.models.list()


def test_langchains_chat_model(url: str) -> None:
    from langchain_openai import ChatOpenAI

    chat = ChatOpenAI(
        model="quote",
        base_url=f"{url}/v1",
        api_key="none",
        max_retries=0,
        extra_body={"knowledge_bases": [KB]},
    )
    assert "10天" in chat.invoke(LEAVE).text.replace(" ", "")
    assert "".join(chunk.text for chunk in chat.stream(LEAVE)) == chat.invoke(LEAVE).text
