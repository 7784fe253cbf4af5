"""Metrics, traces, and observation of the event loop."""
