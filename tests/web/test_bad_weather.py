"""Late answers, no WebSockets, and browsers without storage: a typed message is sent or visibly kept."""

import pytest
from playwright.sync_api import expect

from tests.support.ports import wait_for

pytestmark = pytest.mark.slow

#: Script that simulates a database connection closed by the browser without an event, as iOS does.
DEAD_DATABASE = """async () => {
    const { session } = await import('/web/js/session.js');
    const original = IDBDatabase.prototype.transaction;
    let dead;
    IDBDatabase.prototype.transaction = function (...given) {
        dead ??= this;
        if (this === dead) throw new DOMException('lost', 'UnknownError');
        return original.apply(this, given);
    };
    const before = session.read().access_token;
    return (await session.refreshNow()) !== before;
}"""
DENIED = """
    const denied = { get() { throw new DOMException('denied', 'SecurityError'); } };
    for (const name of ['localStorage', 'sessionStorage', 'indexedDB']) Object.defineProperty(window, name, denied);
"""
FULL = """
    const full = () => { throw new DOMException('full', 'QuotaExceededError'); };
    Storage.prototype.setItem = full;
    IDBObjectStore.prototype.put = full;
"""


def test_a_message_with_a_late_answer_is_sent_again_and_stored_once(somebody):
    ada = somebody()
    lost = []

    def between(socket):
        server = socket.connect_to_server()

        def pass_on(data):
            if not lost and isinstance(data, str) and data.startswith("43") and '"duplicate"' in data:
                lost.append(data)
            else:
                socket.send(data)

        server.on_message(pass_on)

    ada.page.route_web_socket("**/socket.io/**", between)
    ada.page.clock.install()
    ada.register("Ada")
    ada.create_group("Notes")
    ada.say("late")
    expect(ada.page.locator(".tick.sending")).to_have_count(1)
    wait_for(lambda: ada.page.wait_for_timeout(50) or lost, what="the answer")
    ada.page.clock.fast_forward(17_000)

    ada.page.wait_for_timeout(200)
    ada.page.clock.fast_forward(2_000)
    ada.all_sent()
    ada.sees("late")


def test_a_message_that_breaks_every_connection_is_given_up_and_the_next_ones_are_sent(somebody):
    ada = somebody()

    def between(socket):
        server = socket.connect_to_server()

        def pass_on(data):
            if "poison" in str(data):
                socket.close(code=1009, reason="message too big")
                server.close()
            else:
                server.send(data)

        socket.on_message(pass_on)

    ada.page.route_web_socket("**/socket.io/**", between)
    ada.register("Ada")
    ada.create_group("Notes")

    ada.say("poison", "afterwards")

    expect(ada.message("poison").locator(".failure")).to_contain_text("The connection broke each time", timeout=30_000)
    expect(ada.message("afterwards").get_by_role("img", name="Sent")).to_be_visible()
    expect(ada.message("poison").get_by_role("button", name="Discard")).to_be_visible()
    ada.page.reload()
    expect(ada.message("poison").locator(".failure")).to_be_visible()


def test_an_edit_made_offline_survives_a_reload_and_is_stored(somebody):
    ada = somebody().register("Ada")
    ada.create_group("Notes")
    ada.say("too early")
    ada.all_sent()

    ada.go_offline()
    ada.message("too early").hover()
    ada.message("too early").get_by_role("button", name="Edit").click()
    ada.say("first")
    expect(ada.message("first").get_by_role("img", name="Sending")).to_be_visible()
    ada.context.set_offline(False)
    ada.page.reload()
    ada.expect_live()

    expect(ada.message("first")).to_contain_text("edited")
    ada.all_sent()


def test_a_database_connection_closed_by_the_browser_is_opened_again(somebody):
    ada = somebody().register("Ada")

    assert ada.page.evaluate(DEAD_DATABASE)


@pytest.mark.parametrize("storage", [DENIED, FULL], ids=["denied", "full"])
def test_a_browser_without_storage_shows_a_notice_and_can_chat(somebody, storage):
    ada = somebody()
    ada.page.add_init_script(storage)
    ada.register("Ada")
    expect(ada.page.get_by_role("alert")).to_contain_text("This browser cannot store data")
    ada.create_group("Notes")

    ada.say("kept by the server")

    ada.all_sent()
    ada.sees("kept by the server")


def test_without_websockets_the_page_works_by_polling(somebody):
    ada = somebody()
    ada.page.add_init_script("""
        window.WebSocket = class extends EventTarget {
            constructor() {
                super();
                setTimeout(() => { this.onerror?.(new Event('error')); this.onclose?.({ code: 1006 }); });
            }
            close() {}
        };
    """)

    ada.register("Ada")

    ada.create_group("Notes")
    ada.say("over polling")
    ada.all_sent()
