#!/usr/bin/env python
"""Print the costs of a test run: the slowest tests, and the sum of each folder.

Usage: scripts/test_costs.py JUNIT_XML...

The files are those of `pytest --junitxml`. A time is the sum of set-up, call and teardown. The set-up of a fixture that
several tests share counts for the first of them.
"""

import sys
from collections import Counter
from xml.etree import ElementTree as ET

#: Number of tests that are listed.
_LISTED = 20


def main() -> None:
    """Read the files that the command line names, and print both tables."""
    seconds: Counter[str] = Counter()
    folders: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for file in sys.argv[1:]:
        for case in ET.parse(file).iter("testcase"):  # noqa: S314 - pytest wrote it
            module = case.get("classname", "")
            folder = "/".join(module.split(".")[:2])
            seconds[f"{module.replace('.', '/')}.py::{case.get('name')}"] += float(case.get("time", 0))
            folders[folder] += float(case.get("time", 0))
            counts[folder] += 1
    print(f"\nThe {_LISTED} slowest tests (seconds)")
    for name, cost in seconds.most_common(_LISTED):
        print(f"{cost:8.1f}  {name}")
    print("\nThe folders (seconds, tests)")
    for folder, cost in folders.most_common():
        print(f"{cost:8.1f}  {counts[folder]:5}  {folder}")
    print(f"{folders.total():8.1f}  {counts.total():5}  all")


if __name__ == "__main__":
    main()
