"""Checks of the nodes. Each node is asked over the bus; an answer proves that it receives messages and can publish."""

from collections import Counter

import imapp
from imapp.cluster.bus import signing
from imapp.cluster.bus.node_facts import NodeFacts
from imapp.cluster.bus.roll_call import Answer, Examination, examine
from imapp.cluster.registry import presence
from imapp.doctor.context import Context
from imapp.doctor.finding import Finding, fail, ok, skip, warn
from imapp.doctor.kernel import RESERVE
from imapp.schemas.base import JsonObject

_NO_CLUSTER = "REDIS_URL is unset: this is a single node"
_NODES = "flask --app wsgi im nodes"


def reports(context: Context) -> list[JsonObject]:
    """Return the raw reports of the live nodes; raises RuntimeError without Redis."""
    found = presence.cluster().reports()
    if found is None:
        raise RuntimeError("the list of nodes cannot be read from Redis")
    return found


def examination(context: Context) -> Examination:
    """Ask all live nodes; without a list of nodes, only test whether a message of our own comes back."""
    try:
        names = [str(report["id"]) for report in context.once(reports)]
    except RuntimeError:
        names = []
    return examine(context.settings, names)


def bus(context: Context) -> Finding:
    """Check that a message published from here comes back over every link to Redis."""
    if context.settings.redis_url is None:
        return skip(_NO_CLUSTER)
    found = context.once(examination)
    if not found.is_up:
        cure = "A node here would not be ready: check the network to Redis, and its user's channels (&imapp:*)."
        return fail("no published message came back", cure, "redis-cli ACL GETUSER imapp; redis-cli PUBSUB CHANNELS")
    return ok(f"a published message came back from Redis after {found.seconds * 1000:.0f} ms")


def alive(context: Context) -> Finding:
    """Check that every node with a lease answers a question over the bus."""
    if context.settings.redis_url is None:
        return skip(_NO_CLUSTER)
    living = context.once(reports)
    if not living:
        return warn(
            "no node runs",
            "Start the nodes: most of these checks could use the settings only.",
            "scripts/start-cluster.sh",
        )
    found = context.once(examination)
    heard = {one.facts["id"] for one in found.answers}
    silent = sorted(f"{one['id']} ({one['host']}, pid {one['pid']})" for one in living if str(one["id"]) not in heard)
    if silent:
        cure = "It hangs, receives nothing from Redis, or has another SECRET_KEY: check its log, restart it."
        return fail(f"{', '.join(silent)} did not answer", cure, "scripts/restart-cluster.sh")
    deaf = [one.facts["id"] for one in found.answers if not one.facts["hears_itself"]]
    if deaf:
        cure = "Its own connection to Redis receives nothing: look for bus_down in its log."
        return fail(f"{', '.join(deaf)} does not receive its own messages", cure, "grep bus_ logs/*.log | tail")
    slowest = max(one.seconds for one in found.answers)
    return ok(f"{len(living)} nodes answered within {slowest * 1000:.0f} ms")


def _answers(context: Context) -> list[Answer] | None:
    """Return the answers of the nodes; None if there is no cluster or no answer."""
    return context.once(examination).answers or None if context.settings.redis_url else None


def names(context: Context) -> Finding:
    """Check that each NODE_ID is used by one process."""
    answers = _answers(context)
    if answers is None:
        return skip("no node answered")
    twice = [name for name, count in Counter(one.facts["id"] for one in answers).items() if count > 1]
    if twice:
        where = "; ".join(
            f"{one.facts['id']}: {one.facts['host']}, pid {one.facts['pid']}"
            for one in answers
            if one.facts["id"] in twice
        )
        cure = "Give each process its own NODE_ID, also in Nginx."
        return fail(f"one NODE_ID for several processes: {where}", cure, _NODES)
    return ok(f"{len(answers)} names, one process each")


def versions(context: Context) -> Finding:
    """Check that all nodes run the same version as this code."""
    if context.settings.redis_url is None:
        return skip(_NO_CLUSTER)
    found = {str(report["id"]): str(report["version"]) for report in context.once(reports)}
    others = [f"{name} runs {version}" for name, version in found.items() if version != imapp.__version__]
    if others:
        cure = "Complete the update: restart the nodes one by one."
        return warn(f"{'; '.join(others)}; this is {imapp.__version__}", cure, "scripts/restart-cluster.sh")
    return ok(f"{len(found)} nodes of version {imapp.__version__}")


def keys(context: Context) -> Finding:
    """Check that all nodes have one SECRET_KEY: otherwise they refuse each other's tokens and pushes (bus_forged)."""
    settings = context.settings
    if settings.redis_url is None:
        return skip(_NO_CLUSTER)
    prints = {str(report["id"]): report.get("key") for report in context.once(reports)}
    own = signing.fingerprint(settings.secret_key)
    previous = settings.secret_key_previous and signing.fingerprint(settings.secret_key_previous)
    foreign = [name for name, one in prints.items() if one and one not in {own, previous}]
    if foreign:
        cure = "Give all nodes the same key and restart them; use SECRET_KEY_PREVIOUS while you change keys."
        return fail(f"another SECRET_KEY than here: {', '.join(foreign)}", cure, "grep bus_forged logs/*.log")
    rotating = [name for name, one in prints.items() if one and one == previous != own]
    if rotating:
        cure = "The change of keys is not complete: continue the rolling restart."
        return warn(f"still on SECRET_KEY_PREVIOUS: {', '.join(rotating)}", cure, "scripts/restart-cluster.sh")
    return ok(f"{len(prints)} nodes have this SECRET_KEY")


def running(context: Context) -> Finding:
    """Check the running nodes: gevent's patches, the transport, and the limit of open files."""
    answers = _answers(context)
    if answers is None:
        return skip("no node answered")
    wrong = [words for one in answers if (words := _problem(one.facts))]
    if wrong:
        return fail(
            "; ".join(wrong),
            "Start the node with the project's gunicorn.conf.py and a sufficient limit of open files.",
            "scripts/run.sh",
        )
    kinds = sorted({"engine" if one.facts["engine"].startswith("imapp.") else "stock" for one in answers})
    return ok(f"patched, enough open files, transport {' and '.join(kinds)}")


def _problem(facts: NodeFacts) -> str:
    if facts["unpatched"]:
        return f"{facts['id']}: not patched: {', '.join(facts['unpatched'])}"
    if facts["files_limit"] < facts["max_connections"] + RESERVE:
        return f"{facts['id']}: {facts['files_limit']} open files for IM_MAX_CONNECTIONS={facts['max_connections']}"
    return ""


def proxies(context: Context) -> Finding:
    """Check for untrusted senders of X-Forwarded-For: such a sender is probably a proxy that is not configured."""
    answers = _answers(context)
    if answers is None:
        return skip("no node answered")
    told = {one.facts["id"]: one.facts["disbelieved"] for one in answers if one.facts["disbelieved"]}
    if told:
        text = "; ".join(f"{name} does not trust X-Forwarded-For from {address}" for name, address in told.items())
        cure = "If this is your proxy, add it and restart: all its clients share the rate limits of its address."
        return warn(text, cure, f"IM_TRUSTED_PROXIES={next(iter(told.values()))}")
    return ok("every X-Forwarded-For came from a trusted proxy")


CHECKS = {
    "nodes.bus": bus,
    "nodes.alive": alive,
    "nodes.names": names,
    "nodes.versions": versions,
    "nodes.keys": keys,
    "nodes.running": running,
    "nodes.proxies": proxies,
}
