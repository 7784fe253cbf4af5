"""Forged and misused tokens (drill S3) are all refused over REST and the socket, with the same answer."""

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from imapp.extensions import socketio
from imapp.services.accounts import tokens
from tests.accounts import me, register
from tests.support.apps import DEFAULTS

KEY = DEFAULTS["secret_key"]
KID = tokens.key_id(KEY)


def claims(**changes):
    now = int(time.time())
    good = {
        "iss": "imapp",
        "aud": "imapp",
        "iat": now,
        # The table below is made when the module is imported; its tokens must not expire during a long run.
        "exp": now + 86_400,
        "sub": "1",
        "sid": 1,
        "jti": "made-up",
        "typ": "access",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(header=None, key=KEY, algorithm="HS256", **changes):
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": KID, **(header or {})})


def part(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def by_hand(header, payload, key=KEY):
    """Return a correctly signed token that no library would produce."""
    head = f"{part(header)}.{part(payload)}"
    signature = hmac.new(key.encode(), head.encode(), hashlib.sha256).digest()
    return f"{head}.{part(signature)}"


def unsigned(algorithm):
    return f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': KID})}.{part(claims())}."


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
HEAD = {"alg": "HS256", "typ": "JWT", "kid": KID}

FORGED = {
    "nothing": "",
    "no token at all": "hello",
    "two parts": "a.b",
    "four parts": "a.b.c.d",
    "empty parts": "..",
    "letters that base64 lacks": "ä.ö.ü",
    "NUL": "\x00",
    "very long": "A" * 100_000,
    "algorithm none": unsigned("none"),
    "algorithm None": unsigned("None"),
    "algorithm NONE": unsigned("NONE"),
    "no algorithm": by_hand({"typ": "JWT", "kid": KID}, claims()),
    "algorithm of another kind": by_hand({**HEAD, "alg": ["HS256"]}, claims()),
    "unknown algorithm": by_hand({**HEAD, "alg": "HS257"}, claims()),
    "stronger algorithm": signed(key="k" * 64, algorithm="HS512"),
    "right key, another algorithm": jwt.encode(claims(), KEY * 2, algorithm="HS384", headers={"kid": KID}),
    "public-key algorithm": signed(key=RSA, algorithm="RS256"),
    "wrong key": signed(key="x" * 32),
    "short key": by_hand(HEAD, claims(), key="k"),
    "empty key": by_hand(HEAD, claims(), key=""),
    "kid as key": by_hand(HEAD, claims(), key=KID),
    "no kid": by_hand({"alg": "HS256", "typ": "JWT"}, claims()),
    "unknown kid": signed({"kid": "00000000"}),
    "kid of a file": signed({"kid": "../../../../dev/null"}),
    "kid with SQL": signed({"kid": "' OR '1'='1"}),
    "kid that is a list": by_hand({**HEAD, "kid": [KID]}, claims()),
    "kid that is null": by_hand({**HEAD, "kid": None}, claims()),
    "key brought along": by_hand({**HEAD, "kid": "x", "jwk": {"kty": "oct", "k": part(b"x" * 32)}}, claims(), "x" * 32),
    "key to be fetched": by_hand({**HEAD, "jku": "http://127.0.0.1/keys", "kid": "x"}, claims(), "x" * 32),
    "unknown crit": by_hand({**HEAD, "crit": ["exp", "evil"]}, claims()),
    "payload that is a list": by_hand(HEAD, [1]),
    "payload that is no JSON": by_hand(HEAD, b"{"),
    "header that is no JSON": f"{part(b'{')}.{part(claims())}.{part(b'x')}",
    "header that is a list": by_hand([], claims()),
    "other issuer": signed(iss="evil"),
    "other audience": signed(aud="evil"),
    "refresh as access": signed(typ="refresh"),
    "other type": signed(typ="admin"),
    "type of another kind": signed(typ=["access"]),
    "not valid yet": signed(nbf=int(time.time()) + 86_400),
    "issued in the future": signed(iat=int(time.time()) + 86_400),
    "expiry that is text": by_hand(HEAD, claims(exp="never")),
    "expiry that is null": by_hand(HEAD, {**claims(), "exp": None}),
    "expiry beyond all time": by_hand(HEAD, claims(exp=10**400)),
    "subject that is a number": by_hand(HEAD, claims(sub=1)),
    "subject that is a name": signed(sub="alice"),
    "subject with SQL": signed(sub="1 OR 1=1"),
    "session that is a name": signed(sid="x"),
    "session that is a list": signed(sid=[1]),
    "session beyond all numbers": signed(sid=10**30),
    "subject beyond all numbers": signed(sub="9" * 30),
    **{f"no {name}": signed(**{name: None}) for name in ("exp", "iat", "iss", "aud", "sub", "sid", "jti", "typ")},
}


@pytest.fixture
def alice(client):
    """Register user 1 with session 1, the subject of all forged tokens."""
    return register(client, "alice")


def test_the_forged_tokens_differ_from_a_valid_one_only_in_the_named_part(client, alice):
    assert me(client, {"access_token": signed()}).status_code == 200


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
def test_a_forged_token_is_refused_over_rest(client, alice, token):
    answer = client.get("/api/users/me", headers={"Authorization": f"Bearer {token}".replace("\x00", "%00")})

    assert (answer.status_code, answer.json["code"]) == (401, "invalid_token")
    assert answer.json["detail"] == "The token is not valid."


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
def test_a_forged_token_does_not_refresh(client, alice, token):
    answer = client.post("/api/auth/refresh", json={"refresh_token": token})

    assert answer.status_code in {400, 401, 413, 422}
    assert "access_token" not in answer.json


def test_a_valid_token_opens_a_socket(app, client, alice):
    socket = socketio.test_client(app, auth={"token": signed()})

    assert socket.is_connected()


@pytest.mark.parametrize(
    "token", [*FORGED.values(), None, 1, ["x"], {}], ids=[*FORGED, "null", "number", "list", "object"]
)
def test_a_forged_token_opens_no_socket(app, client, alice, token):
    socket = socketio.test_client(app, auth={"token": token})

    assert not socket.is_connected()


def test_a_changed_signature_is_refused(client, alice):
    head, payload, signature = alice["access_token"].split(".")
    other = "A" if signature[0] != "A" else "B"

    assert me(client, {"access_token": f"{head}.{payload}.{other}{signature[1:]}"}).status_code == 401


def test_an_expired_token_has_a_code_of_its_own(client, alice):
    answer = me(client, {"access_token": signed(iat=1, exp=int(time.time()) - 11)})

    assert (answer.status_code, answer.json["code"]) == (401, "token_expired")


def test_clocks_may_differ_by_a_few_seconds_only(client, alice):
    now = int(time.time())

    assert me(client, {"access_token": signed(iat=1, exp=now - 2)}).status_code == 200
    assert me(client, {"access_token": signed(iat=1, exp=now - 10)}).status_code == 401


def test_a_token_of_another_users_session_is_refused(client, alice):
    register(client, "mallory")

    answer = me(client, {"access_token": signed(sub="2", sid=1)})

    assert answer.json["code"] == "session_revoked"


def test_each_token_is_different(client, alice):
    again = client.post("/api/auth/refresh", json={"refresh_token": alice["refresh_token"]}).json

    issued = [alice["access_token"], alice["refresh_token"], again["access_token"], again["refresh_token"]]
    names = {jwt.decode(token, options={"verify_signature": False})["jti"] for token in issued}
    assert len(names) == 4
    assert all(len(name) >= 22 for name in names)


def test_the_database_contains_no_token(app, client, alice):
    with app.app_context():
        from imapp.extensions import db  # needs the context

        dump = str([list(db.session.execute(table.select())) for table in db.metadata.sorted_tables])

    jti = jwt.decode(alice["refresh_token"], options={"verify_signature": False})["jti"]
    assert jti not in dump
    assert alice["refresh_token"].rsplit(".", 1)[1] not in dump
