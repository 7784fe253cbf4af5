"""Coverage-guided fuzzing of the code that reads bytes from clients: `python -m tests.fuzz --help`."""
