"""The faults, one module for each target."""
