"""What happens on the wire: connections, encodings, characters."""

from __future__ import annotations

import json

from tests.conformance.registry import check
from tests.conformance.target import Target

CHAT = "/v1/chat/completions"
CAPITAL = "请用中文回答 中国的首都是哪里"
EMOJIS = "Answer with three different emojis and nothing else. Grüße 🙂 e\u0301"
"""Between them two, three and four bytes a character, and one that is two characters."""


@check
def one_client_asks_again_and_again(target: Target) -> None:
    with target.http() as client:
        answers = [client.post(CHAT, json=target.body(max_tokens=1)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    # The gateway closes after each answer and says so; a client that was not told would run into a dead connection.
    closing = {answer.headers.get("connection", "keep-alive").lower() for answer in answers}
    assert len(closing) == 1


@check
def characters_survive_in_one_piece_and_in_a_stream(target: Target) -> None:
    seen = ""
    for question in (CAPITAL, EMOJIS):
        with target.http() as client:
            answer = client.post(CHAT, json=target.body(question, stream=True))
        # Decoding fails where bytes of one character came as two pieces of text.
        lines = answer.content.decode().splitlines()
        events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
        streamed = "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e["choices"])
        # Where the limit cuts within a character, its beginning is left out, with or without the space before it.
        assert streamed.rstrip() == target.text(question).rstrip()
        seen += streamed
    assert "\ufffd" not in seen, "a character was cut in two"
    if target.talks:
        assert not seen.isascii()


@check
def a_compressed_stream_is_not_held_back(target: Target) -> None:
    with target.http(**{"Accept-Encoding": "gzip, br, zstd"}) as client:
        answer = client.post(CHAT, json=target.body(stream=True))
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers
        assert client.post(CHAT, json=target.body()).json()["choices"]


@check
def every_answer_has_a_request_id(target: Target) -> None:
    with target.http() as client:
        ids = [
            client.post(CHAT, json=target.body(max_tokens=1)).headers["x-request-id"],
            client.post(CHAT, json=target.body(temperature=9)).headers["x-request-id"],
            client.get("/v1/models").headers["x-request-id"],
        ]
    assert len(set(ids)) == 3
