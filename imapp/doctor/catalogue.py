"""All checks in the order of the report: the program, the system and services that it needs, the clients' access."""

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
