"""Commands are recorded in the audit log like actions on the operators' page."""

from sqlalchemy import select

from imapp.extensions import db
from imapp.models.audit_log import AdminAct
from tests.accounts import register
from tests.backup.conftest import im  # noqa: F401 - a fixture


def test_each_command_that_touches_data_is_logged_with_its_target(im, client, tmp_path):  # noqa: F811
    frank = register(client, "frank")["user"]["id"]
    for arguments in (
        ("backup", tmp_path / "im.zip"),
        ("restore", tmp_path / "im.zip", "--replace", "--yes"),
        ("export-user", "frank", tmp_path / "frank.zip"),
        ("retention",),
        ("retention", "--yes"),
        ("erase-user", "frank", "--yes"),
    ):
        result = im(*arguments)
        assert result.exit_code == 0, result.output

    rows = db.session.execute(select(AdminAct.action, AdminAct.target, AdminAct.name).order_by(AdminAct.id)).all()
    assert [row.action for row in rows] == ["back_up", "restore", "export_user", "delete_old", "erase_user"]
    assert [row.target for row in rows if "user" in row.action] == [f"user:{frank}"] * 2
    assert all(row.name.startswith("cli:") for row in rows)
