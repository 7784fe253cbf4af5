"""Test that a real fault fires each alert of deploy/monitoring and its end resolves it: `python -m bench.alerts`."""
