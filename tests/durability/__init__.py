"""Fault drills: real processes are killed, frozen and starved while clients send; oracle.py says what must hold."""
