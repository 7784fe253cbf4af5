"""A chat with the client that openapi-python-client generates: it must type-check and run."""

import sys
from typing import TypeVar

from api_client import AuthenticatedClient, Client
from api_client.api.auth import auth_login
from api_client.api.conversations import conversations_open_private
from api_client.api.messages import messages_read_history, messages_send_message
from api_client.api.sync import sync_sync
from api_client.api.users import users_search_users, users_update_me
from api_client.models import (
    ConversationOut,
    HistoryPage,
    LoginIn,
    MeOut,
    MessageAck,
    OpenPrivate,
    OtherMessage,
    OtherRow,
    PageUserOut,
    ProfileIn,
    SyncIn,
    SyncOut,
    TextContent,
    TextContentIn,
    TextDraft,
    TextMessage,
    TokensOut,
)
from api_client.types import UNSET

T = TypeVar("T")


def need(kind: type[T], answer: object) -> T:
    assert isinstance(answer, kind), answer
    return answer


def main(url: str, account: str, password: str, peer_id: int) -> None:
    login = LoginIn(account=account, password=password)
    tokens = need(TokensOut, auth_login.sync(client=Client(base_url=url), body=login))
    client = AuthenticatedClient(base_url=url, token=tokens.access_token)

    need(MeOut, users_update_me.sync(client=client, body=ProfileIn(bio="mathematics")))
    me = need(MeOut, users_update_me.sync(client=client, body=ProfileIn(nickname="Ada L")))
    assert (me.nickname, me.bio) == ("Ada L", "mathematics")

    opened = need(ConversationOut, conversations_open_private.sync(client=client, body=OpenPrivate(user_id=peer_id)))
    draft = TextDraft(client_id="attrs-1", type_="text", content=TextContentIn(text="hello"), mentions=[peer_id])
    ack = need(MessageAck, messages_send_message.sync(opened.id, client=client, body=draft))
    message = need(TextMessage, ack.message)
    assert message.mentions == [peer_id]
    assert need(TextContent, message.content).text == "hello"
    history = need(HistoryPage, messages_read_history.sync(opened.id, client=client))
    assert message.id in [item.id for item in history.items]

    found, cursor = 0, None
    while True:
        page = need(PageUserOut, users_search_users.sync(client=client, query="a", limit=1, cursor=cursor or UNSET))
        found += len(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found > 0

    missed = need(SyncOut, sync_sync.sync(client=client, body=SyncIn()))
    assert {row.kind for row in missed.state} >= {"conversation", "me"}
    survive_a_newer_server(missed, message)


def survive_a_newer_server(missed: SyncOut, message: TextMessage) -> None:
    answer = missed.to_dict()
    answer["state"].append({"version": 1, "kind": "poll", "item": {"a": 1}})
    answer["mood"] = "good"
    assert isinstance(SyncOut.from_dict(answer).state[-1], OtherRow)
    newer = {**message.to_dict(), "type": "poll", "content": {"question": "?"}}
    assert isinstance(MessageAck.from_dict({"message": newer, "duplicate": False}).message, OtherMessage)


main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
