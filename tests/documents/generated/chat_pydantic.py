"""A chat with the models that datamodel-code-generator generates: it must type-check and run."""

import json
import sys
from typing import Any, TypeVar

import api_models as api
import httpx
from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)


def call(url: str, method: str, kind: type[M], body: BaseModel | None = None, token: str = "") -> M:
    data = None if body is None else body.model_dump(mode="json", exclude_unset=True)
    answer = httpx.request(method, url, json=data, headers={"Authorization": f"Bearer {token or None}"}, timeout=20)
    answer.raise_for_status()
    return kind.model_validate_json(answer.content)


def main(url: str, account: str, password: str, peer_id: int) -> None:
    login = api.LoginIn(account=account, password=password)
    token = call(url + "/api/auth/login", "POST", api.TokensOut, login).access_token

    call(url + "/api/users/me", "PATCH", api.MeOut, api.ProfileIn(bio="engines"), token)
    me = call(url + "/api/users/me", "PATCH", api.MeOut, api.ProfileIn(nickname="Ada King"), token)
    assert (me.nickname, me.bio) == ("Ada King", "engines")

    opened = call(url + "/api/conversations", "POST", api.ConversationOut, api.OpenPrivate(user_id=peer_id), token)
    draft = api.TextDraft(client_id="pydantic-1", type="text", content=api.TextContentIn(text="hello"))
    ack = call(f"{url}/api/conversations/{opened.id}/messages", "POST", api.MessageAck, draft, token)
    message = ack.message.root
    assert isinstance(message, api.TextMessage)
    assert isinstance(message.content, api.TextContent)
    assert message.content.text == "hello"

    missed = call(url + "/api/sync", "POST", api.SyncOut, api.SyncIn(), token)
    assert {row.root.kind for row in missed.state} >= {"conversation", "me"}
    survive_a_newer_server(missed)


def survive_a_newer_server(missed: api.SyncOut) -> None:
    answer: dict[str, Any] = json.loads(missed.model_dump_json())
    answer["state"].append({"version": 1, "kind": "poll", "item": {"a": 1}})
    answer["mood"] = "good"
    assert isinstance(api.SyncOut.model_validate(answer).state[-1].root, api.OtherRow)


main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
