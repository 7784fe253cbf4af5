"""Fire every alert by a real fault, end the fault, check that the alert resolves, and print a table.

    python -m bench.alerts [PART OF A NAME]...

The servers and clients are those of the fault drills (tests/drills), with the exporters, Prometheus and Alertmanager;
the rules are those of deploy/monitoring with shorter times (hurried.py). Needs root for the control group and the loop
mount. About 25 minutes.
"""

import sys
import tempfile
import time
from pathlib import Path

from bench.alerts import hurried
from bench.alerts.drills import DRILLS, Drill
from bench.alerts.testbed import Testbed

#: Seconds within which an alert must fire, and within which it must resolve after the fault.
FIRES, RESOLVES = 120, 240


def main(words: list[str]) -> int:
    """Run the drills with a word in their name or alerts; return the number of failed alerts."""
    chosen = [drill for drill in DRILLS if not words or any(word in str((drill.name, *drill.alerts)) for word in words)]
    failed = 0
    print("| fault | alert | fired after, s | resolved after, s |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="imapp-alerts-") as folder:
        testbed = Testbed(Path(folder))
        try:
            time.sleep(100)  # the longest time range of a shortened rule
            for drill in chosen:
                testbed.settle()
                failed += _run(testbed, drill)
        finally:
            testbed.close()
    known = {rule["alert"] for group in hurried.rules()["groups"] for rule in group["rules"] if "alert" in rule}
    if not words:
        print("not tried:", *sorted(known - {alert for drill in DRILLS for alert in drill.alerts}) or ["none"])
    return failed


def _run(testbed: Testbed, drill: Drill) -> int:
    told = {alert: len(testbed.states(alert)) for alert in drill.alerts}
    fired: dict[str, float | None] = {}
    with drill.fault(testbed):
        began = time.monotonic()
        for alert in drill.alerts:
            testbed.wait(FIRES, lambda alert=alert: "firing" in testbed.states(alert)[told[alert] :])
            fired[alert] = time.monotonic() - began if "firing" in testbed.states(alert)[told[alert] :] else None
    ended, failed = time.monotonic(), 0
    for alert in drill.alerts:
        testbed.wait(RESOLVES, lambda alert=alert: testbed.states(alert)[-1:] == ["resolved"])
        resolved = time.monotonic() - ended if testbed.states(alert)[-1:] == ["resolved"] else None
        failed += fired[alert] is None or resolved is None
        print(f"| {drill.name} | {alert} | {_shown(fired[alert])} | {_shown(resolved)} |", flush=True)
    return failed


def _shown(seconds: float | None) -> str:
    return "**never**" if seconds is None else f"{seconds:.0f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
