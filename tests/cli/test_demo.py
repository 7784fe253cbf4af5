"""`flask im demo`: data for a first look."""

from tests.accounts import bearer, login


def test_the_demo_creates_conversations_for_its_accounts(app, client):
    ran = app.test_cli_runner().invoke(args=["im", "demo"])
    password = ran.output.rsplit(" ", 1)[1].strip()
    tokens = login(client, "ada", password).json

    conversations = client.get("/api/conversations", headers=bearer(tokens)).json["items"]

    assert ran.exit_code == 0, ran.output
    assert {conversation["type"] for conversation in conversations} == {"group", "private"}
    group = next(conversation for conversation in conversations if conversation["type"] == "group")
    history = client.get(f"/api/conversations/{group['id']}/messages", headers=bearer(tokens)).json["items"]
    assert len([message for message in history if message["type"] == "text"]) == 8
    assert any(message["reactions"] for message in history)


def test_a_second_demo_is_refused_in_one_line(app):
    app.test_cli_runner().invoke(args=["im", "demo"])

    again = app.test_cli_runner().invoke(args=["im", "demo"])

    assert again.exit_code == 1
    assert again.output.count("\n") == 1
