"""Checks of secrets and settings that make a server unsafe without making it fail."""

import math
import stat
from collections import Counter
from ipaddress import ip_address, ip_network

from sqlalchemy import make_url

from imapp.cluster.redis_url import RedisUrl, parse
from imapp.doctor.context import Context
from imapp.doctor.finding import Finding, fail, ok, skip, warn

#: Entropy in bits below which a key could be guessed, by the frequency of its characters. Random keys have 128 or more.
_KEY_BITS = 100

#: Words that occur in examples and defaults.
_WORDS = ("changeme", "change-me", "change_me", "secret", "password", "example", "default", "12345", "qwerty", "abcdef")

#: Minimum length of a safe password for the database or Redis.
_PASSWORD_CHARS = 12

_MAKE_KEY = "openssl rand -hex 32"


def key(context: Context) -> Finding:
    """Check SECRET_KEY, which signs all tokens: an attacker that guesses it can act as any user."""
    keys = {"SECRET_KEY": context.settings.secret_key, "SECRET_KEY_PREVIOUS": context.settings.secret_key_previous}
    weak = [f"{name}: {words}" for name, value in keys.items() if value and (words := weakness(value))]
    if weak:
        cure = "Generate a new key for all nodes (docs/operations.md, key rotation)."
        return fail("; ".join(weak), cure, _MAKE_KEY)
    return ok(f"{len(context.settings.secret_key)} characters, apparently random")


def weakness(value: str) -> str:
    """Return the reason why a key could be guessed; empty for a strong key."""
    word = next((word for word in _WORDS if word in value.lower()), None)
    if word:
        return f"contains {word!r}"
    bits = sum(count * math.log2(len(value) / count) for count in Counter(value).values())
    return "" if bits >= _KEY_BITS else f"too little entropy, about {bits:.0f} bits"


def passwords(context: Context) -> Finding:
    """Check the passwords of the database and of Redis. Over TCP, Redis needs one on this machine, too."""
    weak = [words for words in (_database_password(context), _redis_password(context)) if words]
    if weak:
        cure = "Create a second user with a long random password, restart the nodes one by one, remove the first user."
        return warn("; ".join(weak), cure, "openssl rand -hex 24")
    return ok("none is missing or short")


def _database_password(context: Context) -> str:
    url = make_url(context.settings.database_url)
    if url.drivername.startswith("sqlite"):
        return ""
    is_here = not url.password and _is_here(url.host or "localhost")
    words = "" if is_here else _password("the database's", url.password or "")
    return words or ("the nodes use the database's root account" if url.username == "root" else "")


def _redis_password(context: Context) -> str:
    if context.settings.redis_url is None:
        return ""
    address: RedisUrl = parse(context.settings.redis_url)
    if not address.hosts:  # a Unix socket, protected by its file mode
        return ""
    words = _password("Redis'", address.password)
    if words and all(_is_here(host) for host, _ in address.hosts):
        return f"{words}, and every account of this machine can reach Redis"
    return words


def _password(owner: str, value: str) -> str:
    if not value:
        return f"{owner} password is not set"
    return f"{owner} password is shorter than {_PASSWORD_CHARS}" if len(value) < _PASSWORD_CHARS else ""


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def modes(context: Context) -> Finding:
    """Check that only the owner can access files with secrets or data."""
    folder = context.settings.data_dir
    secrets = [folder / "secrets.env", context.project / "cluster.env"]
    # A file in a folder that other accounts cannot enter is safe, regardless of its own mode.
    others = [folder / "imapp.db"] if folder.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH) else []
    found = [file for file in secrets + others if file.exists()]
    open_files = [file for file in found if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if open_files:
        names = " ".join(map(str, open_files))
        cure = "Remove the rights of the group and of other accounts."
        return fail(f"other accounts can access {names}", cure, f"chmod go-rwx {names}")
    return ok(f"only the owner can access the {len(found)} files with secrets or data")


def environment(context: Context) -> Finding:
    """Check that the node runs in production, without the debugger."""
    if context.app.debug:
        return fail("Flask's debug mode is on", "Turn it off: it lets visitors run code.", "unset FLASK_DEBUG")
    if context.settings.env != "production":
        cure = "Set it to production, which refuses to load test data into the database."
        return warn(f"IM_ENV is {context.settings.env}", cure, "IM_ENV=production")
    return ok("IM_ENV is production, debug is off")


def origins(context: Context) -> Finding:
    """Check that not every origin may connect."""
    found = context.settings.allowed_origins
    if "*" in found:
        cure = "Name the origins that may connect, or unset it: then only the server's own pages may."
        return warn("IM_ALLOWED_ORIGINS is *", cure, "IM_ALLOWED_ORIGINS=https://chat.example.org")
    return ok(", ".join(found) or "only this server's own pages")


def rate_limits(context: Context) -> Finding:
    """Check that rate limits are on: without them, passwords can be guessed as fast as the node can hash."""
    if context.settings.rate_limits:
        return ok("on")
    make = fail if context.settings.env == "production" else warn
    return make("IM_RATE_LIMITS is off", "Turn rate limits on: off is for load tests only.", "IM_RATE_LIMITS=on")


def proxies(context: Context) -> Finding:
    """Check that only the proxy is trusted, if there is one."""
    trusted = context.settings.trusted_proxies
    wide = [one for one in trusted if ip_network(one).prefixlen == 0]
    if wide:
        cure = "Name only the proxy: otherwise any client can claim any address."
        return fail(f"IM_TRUSTED_PROXIES trusts all addresses ({', '.join(wide)})", cure, "IM_TRUSTED_PROXIES=10.0.0.5")
    if trusted:
        return ok(", ".join(trusted))
    if context.nginx is None and context.url is None:
        return skip("IM_TRUSTED_PROXIES is unset: correct if there is no proxy in front of the nodes")
    cure = "Name the proxy: otherwise all clients share the rate limits of its address."
    return fail("IM_TRUSTED_PROXIES is unset behind a proxy", cure, "IM_TRUSTED_PROXIES=127.0.0.1")


CHECKS = {
    "safety.key": key,
    "safety.passwords": passwords,
    "safety.files": modes,
    "safety.environment": environment,
    "safety.origins": origins,
    "safety.rate_limits": rate_limits,
    "safety.proxies": proxies,
}
