"""Compares each device with a new device of the same user that has just synced for the first time."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from tests.checker import oracle
from tests.checker.device import LiveDevice
from tests.checker.load import User
from tests.checker.oracle import Breach
from tests.checker.page import Page
from tests.checker.rest import RequestFailedError
from tests.checker.testbed import Testbed

Shown = LiveDevice | Page

#: Seconds between two comparisons.
_PAUSE = 0.15


def breaches(testbed: Testbed, devices: Iterable[Shown], kind: str) -> dict[Shown, list[Breach]]:
    """Return the breaches of the devices that differ or are not up to date. One new device is made for each user."""
    wanted = list(devices)
    user_ids = {device.user_id for device in wanted}
    users = [user for user in testbed.users if user.id in user_ids]
    with ThreadPoolExecutor(4, thread_name_prefix="fresh") as pool:
        found = [one for some in pool.map(lambda user: _of_user(testbed, user, wanted, kind), users) for one in some]
    return {device: named for device, named in found if named}


def _of_user(testbed: Testbed, user: User, wanted: list[Shown], kind: str) -> list[tuple[Shown, list[Breach]]]:
    devices = [device for device in wanted if device.user_id == user.id]
    shown = [device.shown() for device in devices]
    if not any(shown):
        return [(device, oracle.compare(kind, device.name, None, {})) for device in devices]
    try:
        fresh = testbed.fresh(user)
    except RequestFailedError as exc:
        return [(device, [Breach("away", f"user {user.id} cannot be read: {exc}")]) for device in devices]
    return [
        (device, oracle.compare(kind, f"{device.name} at {device.node}", view, device.expected(fresh, view or {})))
        for device, view in zip(devices, shown, strict=True)
    ]


def wait(testbed: Testbed, kind: str, until: float) -> tuple[float, list[Breach]]:
    """Wait until all devices are up to date, twice in a row; return the time of that and the breaches that remain."""
    rest = breaches(testbed, [*testbed.devices, *testbed.pages], kind)
    level_at = time.monotonic()
    while rest and time.monotonic() < until:
        time.sleep(_PAUSE)
        rest = breaches(testbed, rest, kind)
        level_at = time.monotonic()
        if not rest:
            # A late commit may have come after the first devices were compared.
            rest = breaches(testbed, [*testbed.devices, *testbed.pages], kind)
    return level_at, [breach for named in rest.values() for breach in named]
