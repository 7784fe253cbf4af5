"""All checks, in the order in which they are told: from the program over what it stands on to what clients meet."""

from imapp.doctor import (
    clocks,
    database,
    database_server,
    disk,
    front,
    kernel,
    nginx,
    nodes,
    program,
    redis_server,
    safety,
)
from imapp.doctor.runner import Check

CHECKS: dict[str, Check] = {
    **program.CHECKS,
    **kernel.CHECKS,
    **disk.CHECKS,
    **safety.CHECKS,
    **clocks.CHECKS,
    **redis_server.CHECKS,
    **nodes.CHECKS,
    **database.CHECKS,
    **database_server.CHECKS,
    **nginx.CHECKS,
    **front.CHECKS,
}
