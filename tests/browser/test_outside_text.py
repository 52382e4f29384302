"""Crafted addresses and hostile names of a file, a column and labels, in Chromium: text, and no request to anywhere."""

import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from playwright.sync_api import expect

LONG = 240_000
BEGINNING = "a warm funny honest clever fine good film and a delight with a wonderful cast number"
END = "a tedious clumsy dull bad boring film and a waste of a talented cast number"


@pytest.fixture
def listener():
    """Yield the address of a server that nobody may ask, and the list of what was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    assert asked == []


def check(page, address: str) -> None:
    """Nothing on the page leads or looks elsewhere in the app's own voice."""
    host = address.removeprefix("http://")
    found = page.evaluate("""host => [...document.querySelectorAll('a, img, iframe, script, link, object, [style]')]
        .map(e => e.getAttribute('href') || e.getAttribute('src') || e.getAttribute('data') || e.getAttribute('style'))
        .filter(target => target && (target.includes(host) || target.includes('evil.example')))""", host)
    assert found == []
    expect(page.locator("[data-testid=stAlert] a, [data-testid=stAlert] img")).to_have_count(0)
    expect(page.locator("[data-testid=stException]")).to_have_count(0)


@pytest.mark.parametrize("path, shown", [
    ("/?models=![x]({0}/a.png)", "![x]({0}/a.png)"), ("/?models=[log in]({0}/)", "[log in]({0}/)"),
    ("/?models={0}/x.y", "{0}/x.y"), ("/?models=www.evil.example", "www.evil.example"),
    ("/?models=x@evil.example", "x@evil.example"), ("/?models=:red[x] :material/home:", ":red[x] :material/home:"),
    ("/?models=<img src={0}/b.png>", "<img src={0}/b.png>"), ("/?models=`[x]({0})`", "`[x]({0})`"),
    ("/?attack=![x]({0}/a.png)", "![x]({0}/a.png)"), ("/?attack=textfooler;[x]({0})=1", "[x]({0})"),
    ("/?attack=bae;masked_model=![x]({0}/a.png)", "![x]({0}/a.png)"),
    ("/saliency?models=[x]({0})", "[x]({0})"), ("/models?models=[x]({0})", "[x]({0})"),
    ("/certified?models=[x]({0})", "[x]({0})"), ("/train?attack=[x]({0})", "[x]({0})"),
])
def test_an_address_is_shown_as_text(new_page, listener, path, shown):
    page = new_page(path.format(listener))
    expect(page.get_by_text(shown.format(listener)).first).to_be_visible(timeout=LONG)
    check(page, listener)


@pytest.mark.parametrize("path", ["/?text=![x]({0}/a.png) [log in]({0}/) good", "/?view=![x]({0}/a.png)",
                                  "/?job=[x]({0})", "/![x](evil.example)", "/[log in](www.evil.example)",
                                  "/?[x]({0})=![y]({0}/c.png)"])
def test_any_address_opens_without_a_request(new_page, listener, path):
    page = new_page(path.format(listener))
    expect(page.get_by_role("textbox", name="Type a review")).to_be_visible(timeout=LONG)
    expect(page.locator(".rx-chip b").first).to_be_visible(timeout=LONG)
    check(page, listener)


def choose(page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=re.compile(f"^{label}")).last.click()
    # Of a long list only a part is there until something is typed.
    page.keyboard.type(option)
    page.get_by_role("option", name=option, exact=True).click()


def test_a_file_with_hostile_names_from_upload_to_report(new_page, listener):
    good, bad = f"![good]({listener}/g.png)", f"[bad]({listener}/) www.evil.example"
    rows = [f'{text} {i},"{label}"' for text, label in ((BEGINNING, good), (END, bad)) for i in range(60)]
    content = "\n".join([f"![text]({listener}/t.png),[label]({listener}/)", *rows])
    page = new_page("/train")
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_enabled(timeout=LONG)
    page.get_by_text("Your own file", exact=True).click()
    # Another box, for texts without labels, is there before the page knows of the choice.
    page.get_by_role("region", name="File with a text and a label in each row").locator("input").set_input_files(
        {"name": "![f](www.evil.example).csv", "mimeType": "text/csv", "buffer": content.encode()})
    expect(page.get_by_role("button", name="Use these texts")).to_be_visible(timeout=LONG)
    expect(page.get_by_text(f"Name of label {good}", exact=True)).to_be_visible()
    check(page, listener)
    page.get_by_role("button", name="Use these texts").click()
    expect(page.get_by_text(f"classes: {good}, {bad}")).to_be_visible(timeout=LONG)
    check(page, listener)
    choose(page, "Defence", "Base")
    expect(page.get_by_text("f_www_evil_example/cnn/base")).to_be_visible()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("The model is in the list of models now.")).to_be_visible(timeout=600_000)
    check(page, listener)
    page.get_by_role("button", name="Try it on the Attack page").click()
    expect(page.locator("h1", has_text="Attack")).to_be_visible(timeout=LONG)
    check(page, listener)
    page.get_by_role("link", name="Models").click()
    expect(page.locator("[data-testid=stDataFrame]").first).to_be_visible(timeout=LONG)
    choose(page, "Details of", "CNN · base (F www evil example)")
    expect(page.get_by_text(f"classes {good}, {bad}")).to_be_visible(timeout=LONG)
    check(page, listener)
    page.get_by_role("link", name="Attack").click()
    expect(page.locator(".rx-chip b")).to_have_count(4, timeout=LONG)
    page.get_by_role("button", name="Attack", exact=True).click()
    expect(page.get_by_text("Finished ·")).to_be_visible(timeout=LONG)
    expect(page.locator(".rx-table tbody tr")).to_have_count(4)
    expect(page.locator(".rx-table caption")).to_have_count(2)
    expect(page.locator(".rx-table td", has_text="τ")).to_have_count(4, timeout=LONG)
    check(page, listener)
    with page.expect_download() as download:
        page.get_by_role("button", name="HTML", exact=True).click()
    report = new_page("/about")
    report.set_content(open(download.value.path(), encoding="utf-8").read())
    expect(report.locator("h1")).to_be_visible()
    check(report, listener)
    assert report.locator("a:not([href^='#']), img, script").count() == 0 and good in report.inner_text("body")


@pytest.mark.parametrize("models", ["sst2/cnn/base,trec/cnn/base,ag_news/cnn/base",
                                    "trec/cnn/base,ag_news/cnn/base,sst2/cnn/base"])
@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
def test_models_with_other_labels_stand_side_by_side(new_page, models, width, scheme):
    page = new_page(f"/?models={models}", width=width, scheme=scheme)
    expect(page.locator(".rx-chip b")).to_have_count(3, timeout=LONG)
    page.get_by_role("button", name="Attack", exact=True).click()
    expect(page.get_by_text("Finished ·")).to_be_visible(timeout=LONG)
    expect(page.locator(".rx-table caption")).to_have_count(3, timeout=LONG)
    expect(page.locator(".rx-table td", has_text="τ")).to_have_count(3, timeout=LONG)
    for name in ("Saliency", "Word importance", "Embeddings", "Certified", "Train", "Models"):
        if width < 700:
            # It is there again as soon as the sidebar has closed behind the link before.
            page.get_by_test_id("stExpandSidebarButton").click(timeout=LONG)
        page.get_by_role("link", name=name).click()
        expect(page.locator("h1", has_text=name)).to_be_visible(timeout=LONG)
        if name == "Saliency":
            expect(page.locator(".rx-table caption")).to_have_count(3, timeout=LONG)
            expect(page.locator(".stPlotlyChart")).to_have_count(6, timeout=LONG)
        expect(page.locator("[data-testid=stException]")).to_have_count(0)
        expect(page.get_by_text("Something went wrong")).to_have_count(0)
        assert page.locator("[data-testid=stMain]").evaluate("e => e.scrollWidth - e.clientWidth") <= 0
