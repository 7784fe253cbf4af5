"""Fault drills: real processes are killed, frozen and starved while clients send; oracle.py checks the result."""
