"""The name of an event stands in its class only."""

import ast
from pathlib import Path

import imapp
from imapp import events
from imapp.events import Event

ROOT = Path(imapp.__file__).parent

#: Places that write names out: literal types, error codes, and the load test, which is a client of any server.
WRITTEN_OUT = ("events.py", "errors.py", "schemas/", "load/")

#: `messages_hidden` is also a kind of own state in the answer of sync.
ALLOWED = {("services/sync/sync_state.py", "messages_hidden")}


def test_no_module_writes_out_the_name_of_an_event():
    classes = (one for one in vars(events).values() if isinstance(one, type) and issubclass(one, Event))
    names = {one.name for one in classes if hasattr(one, "name")}
    found = set()
    for path in ROOT.rglob("*.py"):
        place = path.relative_to(ROOT).as_posix()
        if not place.startswith(WRITTEN_OUT):
            constants = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
            found |= {(place, value) for value in constants if isinstance(value, str) and value in names}

    assert found == ALLOWED
