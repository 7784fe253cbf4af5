"""The report of `flask im bench` in a browser, from a file and without a network."""

import pytest
from playwright.sync_api import expect

from tests.load.bench import Bench, users_of
from tests.load.faulty import faulty_server

pytestmark = pytest.mark.slow

#: Number of plots: throughput, two latencies, errors, connections, two of the client, two histograms.
PLOTS = 9


@pytest.fixture
def opened(browser):
    """Provide `opened(file)`, which returns the file's page; the test fails if the page reported an error."""
    complaints = []
    context = browser.new_context(offline=True)

    def open_file(path):
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: complaints.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        return page

    yield open_file
    context.close()
    assert complaints == []


def colours_of(canvas):
    """Return the number of different colours on the canvas."""
    return canvas.evaluate(
        "it => new Set(new Uint32Array(it.getContext('2d').getImageData(0, 0, it.width, it.height).data.buffer)).size"
    )


def test_all_plots_are_drawn_and_nothing_is_loaded_from_elsewhere(server, tmp_path, opened):
    users = users_of(server, tmp_path, 20)
    html = tmp_path / "report.html"
    ran = Bench(
        tmp_path, server.url, users_file=users, seconds=4, nodes=server.url, report=html, p99_bound=30_000
    ).wait()
    assert ran.code == 0, ran.out + ran.err

    page = opened(html)

    expect(page.locator("body[data-drawn=yes]")).to_have_count(1)
    canvases = page.locator("canvas")
    expect(canvases).to_have_count(PLOTS + 2)
    assert all(colours_of(canvas) > 5 for canvas in canvases.all()[:PLOTS])
    expect(page.locator("#steps tr")).to_have_count(2)
    expect(page.locator("strong")).to_contain_text("The server carried 50 messages/s")
    expect(page.locator(".bad")).to_have_count(0)


def test_texts_from_a_server_are_escaped(tmp_path, opened):
    users, html = tmp_path / "users", tmp_path / "report.html"
    users.write_text("".join(f"token-{number} {number} -\n" for number in range(1, 21)))
    with faulty_server(refuses=lambda number: number % 20 == 0) as url:
        ran = Bench(tmp_path, url, users_file=users, patience=2, report=html).wait()
    assert ran.code == 1

    page = opened(html)

    expect(page.locator("#errors td").first).to_have_text("<b>busy</b>")
    expect(page.locator("#errors b")).to_have_count(0)
    expect(page.locator(".bad")).to_have_text("more than 1% of the messages failed")


def test_a_missing_plotter_is_reported_before_the_test_runs(tmp_path):
    from imapp.load.errors import MisuseError
    from imapp.load.page import vendor

    with pytest.raises(MisuseError, match=r"uplot\.js is missing"):
        vendor(tmp_path)
