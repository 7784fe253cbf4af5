"""All checks in the order of the report: the program, the system and services that it needs, the clients' access."""

from imapp.doctor import (
    clocks,
    database,
    database_server,
    disk,
    kernel,
    nginx,
    nodes,
    program,
    public_url,
    redis_server,
    security,
)
from imapp.doctor.runner import Check

CHECKS: dict[str, Check] = {
    **program.CHECKS,
    **kernel.CHECKS,
    **disk.CHECKS,
    **security.CHECKS,
    **clocks.CHECKS,
    **redis_server.CHECKS,
    **nodes.CHECKS,
    **database.CHECKS,
    **database_server.CHECKS,
    **nginx.CHECKS,
    **public_url.CHECKS,
}
