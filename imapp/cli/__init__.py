"""`flask im ...`: the operator's commands.

Law of the folder: a command reads its options, calls one service, prints. Refusals are one line, exit code 1.
"""

from flask.cli import AppGroup

from imapp.cli.accounts import create_user
from imapp.cli.demo import demo
from imapp.cli.documents import export_asyncapi, export_openapi
from imapp.cli.fixture import load_fixture
from imapp.cli.nodes import drain, nodes
from imapp.cli.settings import show_settings

im = AppGroup("im", help="Operate this server.")

for command in (create_user, demo, drain, export_asyncapi, export_openapi, load_fixture, nodes, show_settings):
    im.add_command(command)
