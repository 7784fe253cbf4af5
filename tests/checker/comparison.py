"""Devices against new ones: who shows something else than a device that has just synced for the first time."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from tests.checker import oracle
from tests.checker.device import LiveDevice
from tests.checker.field import Field
from tests.checker.load import User
from tests.checker.oracle import Breach
from tests.checker.rest import DoorError

#: Seconds between two looks.
_PAUSE = 0.15


def breaches(ground: Field, devices: Iterable[LiveDevice], kind: str) -> dict[LiveDevice, list[Breach]]:
    """Those that differ, or are not level, with what differs. One new device is made for each user."""
    wanted = list(devices)
    users = [user for user in ground.users if not {*user.devices}.isdisjoint(wanted)]
    with ThreadPoolExecutor(4, thread_name_prefix="fresh") as pool:
        found = [one for some in pool.map(lambda user: _of_user(ground, user, wanted, kind), users) for one in some]
    return {device: named for device, named in found if named}


def _of_user(ground: Field, user: User, wanted: list[LiveDevice], kind: str) -> list[tuple[LiveDevice, list[Breach]]]:
    devices = [device for device in user.devices if device in wanted]
    shown = [device.shown() for device in devices]
    if not any(shown):
        return [(device, [Breach("away", f"{device.name} is not connected and level")]) for device in devices]
    try:
        fresh = ground.fresh(user)
    except DoorError as exc:
        return [(device, [Breach("away", f"user {user.id} cannot be read: {exc}")]) for device in devices]
    return [
        (device, oracle.compare(kind, f"{device.name} at {device.node}", view, fresh))
        for device, view in zip(devices, shown, strict=True)
    ]


def wait(ground: Field, kind: str, until: float) -> tuple[float, list[Breach]]:
    """Wait until all devices are level, and are so still when looked at anew; gives when, and who was not in time."""
    rest = breaches(ground, ground.devices, kind)
    level_at = time.monotonic()
    while rest and time.monotonic() < until:
        time.sleep(_PAUSE)
        rest = breaches(ground, rest, kind)
        level_at = time.monotonic()
        if not rest:
            # What was committed late may have come after the first of them was looked at.
            rest = breaches(ground, ground.devices, kind)
    return level_at, [breach for named in rest.values() for breach in named]
