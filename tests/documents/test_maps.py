"""The maps of the code agree with the import law of pyproject.toml."""

import re
import tomllib

import imapp
from tests.support.server import ROOT

LAW = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
LAYERS = [set(layer.split(" | ")) for layer in LAW["layers"]]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def test_the_table_of_layers_is_the_import_law():
    table = ARCHITECTURE.split("| layer | content |")[1].split("\n\n")[0]
    first_cells = re.findall(r"^\| (`imapp[^|]*) \|", table, flags=re.MULTILINE)

    assert [set(re.findall(r"`imapp\.(\w+)`", cell)) for cell in first_cells] == LAYERS


def test_the_docstring_of_the_package_is_the_import_law():
    lines = re.findall(r"^    (\w[\w |]*)$", imapp.__doc__, flags=re.MULTILINE)

    assert [set(line.split(" | ")) for line in lines] == LAYERS


def test_every_file_that_the_architecture_names_exists():
    named = set(re.findall(r"`(?:imapp/)?((?:\w+/)+\w+\.py)`", ARCHITECTURE))

    absent = [name for name in named if not any((ROOT / folder / name).exists() for folder in ("", "imapp", "tests"))]

    assert named
    assert absent == []


def test_every_file_in_the_architecture_is_named_with_its_folder():
    assert set(re.findall(r"`(\w+\.py)`", ARCHITECTURE)) == {"events.py", "errors.py"}


def test_the_architecture_opens_with_the_picture_and_the_journey_of_a_message_on_one_screen():
    opening, layers, _ = ARCHITECTURE.partition("## Layers\n")

    assert "```mermaid" in opening
    assert "## One message's journey" in opening
    assert layers
    assert opening.count("\n") <= 60
