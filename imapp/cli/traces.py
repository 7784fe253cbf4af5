"""The command that prints the delivery steps of a message."""

import click
import orjson
from flask.cli import with_appcontext

from imapp.errors import NotFoundError
from imapp.extensions import settings
from imapp.schemas.base import JsonObject
from imapp.schemas.messages import split_message_id
from imapp.schemas.traces import TracedMemberOut, TraceOut
from imapp.services.operations import message_traces as service

_ALONE = "REDIS_URL is unset, so only the node itself can show all steps: GET /api/admin/messages/ID/trace."


@click.command()
@click.argument("message_id", metavar="ID", required=False)
@click.option("--client-id", help="The sender's own id of the message, instead of ID; needs --sender.")
@click.option("--sender", type=int, help="The sender's user id.")
@click.option("--user", type=int, help="Show this member only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@with_appcontext
def trace(message_id: str | None, client_id: str | None, sender: int | None, user: int | None, as_json: bool) -> None:
    """Show the steps of a message: accepted, committed, published, heard, handed, read, or the reason why not."""
    try:
        found = _find(message_id, client_id, sender, user)
    except NotFoundError as exc:
        raise click.ClickException("There is no such message, or no node remembers it. " + exc.message) from None
    if as_json:
        click.echo(orjson.dumps(found.wire(), option=orjson.OPT_INDENT_2))
    else:
        _print(found)
    if settings.redis_url is None:
        click.echo(_ALONE, err=True)


def _find(message_id: str | None, client_id: str | None, sender: int | None, user: int | None) -> TraceOut:
    if message_id is not None and client_id is None and sender is None:
        try:
            split_message_id(message_id)
        except ValueError:
            raise click.UsageError("ID looks like 12-345: conversation and number.") from None
        return service.find(message_id, user)
    if message_id is None and client_id is not None and sender is not None:
        return service.find_send(sender, client_id)
    raise click.UsageError("Give either ID, or --client-id and --sender.")


def _print(found: TraceOut) -> None:
    wire = found.wire()
    click.echo(f"message {found.message_id or '-'} of user {found.sender_id}, client_id {found.client_id or '-'}")
    if found.refused is not None:
        click.echo(f"refused    {wire['refused']['at']}  {found.refused.node}  {found.refused.code}")
        return
    _print_stages(wire)
    for node in wire["nodes"]:
        click.echo(_node(node))
    for member in found.members:
        _print_member(member)
    if found.member_count > len(found.members):
        click.echo(f"{found.member_count} members in all: --user ID shows one")
    if not found.is_complete:
        click.echo("incomplete: a node did not answer, or has forgotten the message", err=True)


def _print_stages(wire: JsonObject) -> None:
    accepted, published = wire["accepted"], wire["published"]
    if accepted:
        door = f"sid {accepted['sid']} session {accepted['session_id'] or '-'}" if accepted["sid"] else "over REST"
        click.echo(f"accepted   {accepted['at']}  {accepted['node']}  {door}")
    click.echo(f"committed  {wire['committed_at']}  seq {wire['seq']}")
    if published:
        click.echo(f"published  {published['at']}  bus: {published['bus']}")
    if wire["recalled_at"]:
        click.echo(f"recalled   {wire['recalled_at']}")


def _node(node: dict[str, object]) -> str:
    if not node["answered"]:
        return f"{node['node']}: no answer (deaf)"
    deaf = f", deaf until {node['deaf_until']}" if node["deaf_until"] else ""
    state = "" if node["bus_up"] else ", bus down"
    heard, handed = node["heard_at"] or "-", node["handed_at"] or "-"
    return f"{node['node']}: heard {heard}, handed {handed} to {node['handed_connections']} connections{state}{deaf}"


def _print_member(member: TracedMemberOut) -> None:
    click.echo(f"user {member.user_id}: {member.state}" + (f" ({member.reason})" if member.reason else ""))
    for one in member.wire()["connections"]:
        words = [f"{name} {one[f'{name}_at']}" for name in ("handed", "gone") if one[f"{name}_at"]]
        if one["gone"]:
            words[-1] += f" {one['gone']}"
        click.echo(f"    {one['node']} session {one['session_id']} sid {one['sid']}  {', '.join(words)}".rstrip())
