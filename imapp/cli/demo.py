"""Demo data: a few users, a group with messages, a private chat."""

import secrets
from uuid import uuid4

import click
from flask.cli import with_appcontext

from imapp.errors import UsernameTakenError
from imapp.schemas.contacts import ContactRequestIn
from imapp.schemas.groups import GroupIn
from imapp.schemas.messages import MessageAck, MessageDraft, message_id
from imapp.services.accounts import identity
from imapp.services.contacts import contact_requests
from imapp.services.groups import groups
from imapp.services.messaging import messages, private_conversations, reactions, read_marks

_PEOPLE = {
    "ada": "Ada Lovelace",
    "grace": "Grace Hopper",
    "xiaoyu": "林小雨",
    "tomas": "Tomás Ruiz",
    "mei": "Mei Tanaka",
}

_TALK = (
    ("grace", "The release notes are ready. Can somebody read them once more?"),
    ("ada", "I can. Give me ten minutes."),
    ("xiaoyu", "翻译交给我。今天下午能好。"),
    ("tomas", "I pulled the plug of my router in the middle of a send. Nothing lost, nothing twice."),
    ("mei", "Did you try the train? The tunnel before the station is a free chaos monkey."),
    ("tomas", "That was the train 🚆"),
    ("ada", "Notes are fine. One comma, and I will not say where."),
    ("grace", "Found it. Tagging at three, then cake."),
)

_REACTIONS = ((4, "ada", "🎉"), (4, "grace", "🎉"), (4, "mei", "😂"), (6, "xiaoyu", "😂"), (8, "tomas", "🍰"))


@click.command()
@with_appcontext
def demo() -> None:
    """Create demo data: a few users, a group with messages, a private chat."""
    password = secrets.token_urlsafe(9)
    try:
        ids = {name: identity.create_account(name, password, full, False).id for name, full in _PEOPLE.items()}
    except UsernameTakenError:
        raise click.ClickException("The demo data exists already, or its usernames are taken.") from None
    _befriend(ids)
    _fill_group(ids)
    _chat(ids)
    click.echo(f"For the clients of README.md: export IMAPP_PASSWORD={password}")
    click.echo(f"Log in as {', '.join(_PEOPLE)}; the password of each is {password}")


def _befriend(ids: dict[str, int]) -> None:
    for name in ("grace", "xiaoyu", "tomas"):
        request, _ = contact_requests.send(ids["ada"], ContactRequestIn(user_id=ids[name], message="Hello!"))
        contact_requests.accept(ids[name], request.id)
    contact_requests.send(ids["mei"], ContactRequestIn(user_id=ids["ada"], message="We met at the fair."))


def _fill_group(ids: dict[str, int]) -> None:
    others = [ids[name] for name in _PEOPLE if name != "ada"]
    group = groups.create(
        ids["ada"], GroupIn(name="Release crew", member_ids=others, description="We ship on Mondays.")
    )
    first = 0
    for name, text in _TALK:
        sent = _say(ids[name], group.id, text)
        first = first or sent
    for line, name, emoji in _REACTIONS:
        reactions.react(ids[name], message_id(group.id, first + line - 1), emoji, remove=False)
    read_marks.mark_read(ids["grace"], group.id, first + len(_TALK))


def _chat(ids: dict[str, int]) -> None:
    conversation_id, _ = private_conversations.open_private(ids["grace"], ids["ada"])
    _say(ids["grace"], conversation_id, "Lemon or chocolate?")
    _say(ids["ada"], conversation_id, "Is that a question?")


def _say(user_id: int, conversation_id: int, text: str) -> int:
    draft = MessageDraft(client_id=uuid4().hex, type="text", content={"text": text})
    return MessageAck.model_validate(messages.send(user_id, conversation_id, draft)).message.seq
