"""Each alert of deploy/monitoring, fired by a real fault and resolved by its end: `python -m bench.alerts`."""
