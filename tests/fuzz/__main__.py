"""Fuzz one target until it fails, or until a limit in libFuzzer's options is reached.

Usage: python -m tests.fuzz TARGET PATH [OPTION...]

TARGET is frames, packets or payloads. PATH is a folder for the inputs that reach new code, such as .fuzz/frames. An
OPTION is one of libFuzzer's, for example -max_total_time=600. An input that makes the target fail is written to
crash-*; with that file as PATH, only this input runs. Needs atheris, which has wheels for Linux on x86-64 and Python up
to 3.13.
"""

import sys
from pathlib import Path

import atheris

atheris.enabled_hooks.add("RegEx")
with atheris.instrument_imports(include=["imapp.engine", "socketio.packet"]):
    from tests.fuzz import targets


def main(arguments: list[str]) -> None:
    """Run the fuzzer as described above. Does not return: libFuzzer ends the process."""
    by_name = {target.__name__: target for target in targets.SEEDS}
    if len(arguments) < 2 or arguments[0] not in by_name:
        sys.exit(__doc__)
    target, path = by_name[arguments[0]], Path(arguments[1])
    if not path.is_file():
        path.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(targets.SEEDS[target]):
            (path / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *arguments[1:]], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
