"""The nodes of the cluster: each is asked over the bus (cluster/examination.py), so who answers hears and is heard."""

from collections import Counter
from typing import Any

import imapp
from imapp.cluster import presence, seal
from imapp.cluster.examination import Answer, Examination, examine
from imapp.doctor.case import Case
from imapp.doctor.finding import Finding, fail, ok, skip, warn
from imapp.doctor.kernel import RESERVE

_NO_CLUSTER = "REDIS_URL is unset: this node is alone"
_NODES = "flask --app wsgi im nodes"


def reports(case: Case) -> list[dict[str, Any]]:
    """The raw reports of the living nodes; raises RuntimeError without Redis."""
    found = presence.reports()
    if found is None:
        raise RuntimeError("Redis does not tell which nodes there are")
    return found


def examination(case: Case) -> Examination:
    """Ask all living nodes; without Redis the outsider's own try to hear itself is all."""
    try:
        names = [str(report["id"]) for report in case.once(reports)]
    except RuntimeError:
        names = []
    return examine(case.settings, names)


def bus(case: Case) -> Finding:
    """A message of one's own over Redis comes back, over every link."""
    if case.settings.redis_url is None:
        return skip(_NO_CLUSTER)
    found = case.once(examination)
    if not found.is_up:
        cure = "A node would be deaf and unready: let Redis, and its user's channels (&imapp:*), be reached from here."
        return fail(
            "nothing that was published came back", cure, "redis-cli ACL GETUSER imapp; redis-cli PUBSUB CHANNELS"
        )
    return ok(f"heard itself over Redis after {found.seconds * 1000:.0f} ms")


def alive(case: Case) -> Finding:
    """Every node that holds a lease answers a question put to it over the bus."""
    if case.settings.redis_url is None:
        return skip(_NO_CLUSTER)
    living = case.once(reports)
    if not living:
        return warn(
            "no node runs",
            "Start the nodes; most of this was found from the settings alone.",
            "scripts/start-cluster.sh",
        )
    found = case.once(examination)
    silent = sorted({str(report["id"]) for report in living} - {one.facts["id"] for one in found.answers})
    if silent:
        named = ", ".join(f"{one} ({_where(living, one)})" for one in silent)
        cure = "It hangs, is deaf to Redis, or has another SECRET_KEY: look at its log, restart it."
        return fail(f"{named} did not answer", cure, "scripts/restart-cluster.sh")
    deaf = [one.facts["id"] for one in found.answers if not one.facts["hears_itself"]]
    if deaf:
        cure = "Its own connection to Redis does not hear: look for bus_down in its log."
        return fail(f"{', '.join(deaf)} does not hear itself", cure, "grep bus_ logs/*.log | tail")
    slowest = max(one.seconds for one in found.answers)
    return ok(f"{len(living)} nodes answered within {slowest * 1000:.0f} ms")


def _where(living: list[dict[str, Any]], node_id: str) -> str:
    report = next(one for one in living if one["id"] == node_id)
    return f"{report['host']}, pid {report['pid']}"


def _answers(case: Case) -> list[Answer] | None:
    """Those of the nodes that answered; None when there is no cluster or no answer."""
    return case.once(examination).answers or None if case.settings.redis_url else None


def names(case: Case) -> Finding:
    """One name, one process."""
    answers = _answers(case)
    if answers is None:
        return skip("no node answered")
    twice = [name for name, count in Counter(one.facts["id"] for one in answers).items() if count > 1]
    if twice:
        where = "; ".join(
            f"{one.facts['id']}: {one.facts['host']}, pid {one.facts['pid']}"
            for one in answers
            if one.facts["id"] in twice
        )
        return fail(f"one NODE_ID for several processes: {where}", "Give each its own NODE_ID, also in Nginx.", _NODES)
    return ok(f"{len(answers)} names, one process each")


def versions(case: Case) -> Finding:
    """All run the same code, which is this one."""
    if case.settings.redis_url is None:
        return skip(_NO_CLUSTER)
    found = {str(report["id"]): str(report["version"]) for report in case.once(reports)}
    others = [f"{name} runs {version}" for name, version in found.items() if version != imapp.__version__]
    if others:
        cure = "An update stopped halfway: restart the nodes one by one."
        return warn(f"{'; '.join(others)}; this is {imapp.__version__}", cure, "scripts/restart-cluster.sh")
    return ok(f"{len(found)} nodes of version {imapp.__version__}")


def keys(case: Case) -> Finding:
    """All sign with the same SECRET_KEY: otherwise each refuses the other's tokens and pushes (bus_forged)."""
    settings = case.settings
    if settings.redis_url is None:
        return skip(_NO_CLUSTER)
    prints = {str(report["id"]): report.get("key") for report in case.once(reports)}
    own = seal.fingerprint(settings.secret_key)
    previous = settings.secret_key_previous and seal.fingerprint(settings.secret_key_previous)
    foreign = [name for name, one in prints.items() if one and one not in {own, previous}]
    if foreign:
        cure = "Give all the same one and restart them; SECRET_KEY_PREVIOUS serves while keys are exchanged."
        return fail(f"another SECRET_KEY than here: {', '.join(foreign)}", cure, "grep bus_forged logs/*.log")
    rotating = [name for name, one in prints.items() if one and one == previous != own]
    if rotating:
        cure = "The exchange of keys is under way: go on with the rolling restart."
        return warn(f"still on SECRET_KEY_PREVIOUS: {', '.join(rotating)}", cure, "scripts/restart-cluster.sh")
    return ok(f"{len(prints)} nodes sign with the SECRET_KEY of here")


def running(case: Case) -> Finding:
    """How the nodes really run: patched, on the engine, with files enough."""
    answers = _answers(case)
    if answers is None:
        return skip("no node answered")
    wrong = [words for one in answers if (words := _wrong(one.facts))]
    if wrong:
        return fail(
            "; ".join(wrong), "Start it with the project's gunicorn.conf.py and enough files.", "scripts/run.sh"
        )
    kinds = sorted({"engine" if one.facts["engine"].startswith("imapp.") else "stock" for one in answers})
    return ok(f"patched, files enough, transport {' and '.join(kinds)}")


def _wrong(facts: dict[str, Any]) -> str:
    if facts["unpatched"]:
        return f"{facts['id']}: not patched: {', '.join(facts['unpatched'])}"
    if facts["files_limit"] < facts["max_connections"] + RESERVE:
        return f"{facts['id']}: {facts['files_limit']} files for IM_MAX_CONNECTIONS={facts['max_connections']}"
    return ""


def believed(case: Case) -> Finding:
    """Nobody who is not trusted tells the nodes about other clients: that would be a proxy which was forgotten."""
    answers = _answers(case)
    if answers is None:
        return skip("no node answered")
    told = {one.facts["id"]: one.facts["disbelieved"] for one in answers if one.facts["disbelieved"]}
    if told:
        text = "; ".join(f"{name} does not believe the X-Forwarded-For of {address}" for name, address in told.items())
        cure = "If that is your proxy, name it and restart: all its clients share one address, and its rate limits."
        return warn(text, cure, f"IM_TRUSTED_PROXIES={next(iter(told.values()))}")
    return ok("every X-Forwarded-For came from a trusted proxy")


CHECKS = {
    "nodes.bus": bus,
    "nodes.alive": alive,
    "nodes.names": names,
    "nodes.versions": versions,
    "nodes.keys": keys,
    "nodes.running": running,
    "nodes.proxies": believed,
}
