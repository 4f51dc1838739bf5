"""The page in Chromium: what a person does, at two widths, light and dark, in both languages.

npm install --prefix NODE axe-core
python page.py SOUP MODEL IMAGE.png SCREENSHOTS NODE/node_modules/axe-core/axe.min.js
"""

import pathlib
import shutil
import sys

from playwright.sync_api import expect, sync_playwright

from server import serving


def check_axe(page, axe, where):
    # What is still fading in has not its colours yet.
    page.evaluate("Promise.all(document.getAnimations().map(animation => animation.finished.catch(() => {})))")
    # The page's policy lets no foreign script in, so axe comes in through the debugger.
    page.evaluate(pathlib.Path(axe).read_text() + "; undefined")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    problems = [f"{problem['id']}: {[node['html'][:120] for node in problem['nodes']]}" for problem in found]
    assert not problems, f"{where}: {problems}"


def no_sideways(page, where):
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], f"{where}: {width[0]} pixels wide in a window of {width[1]}"


def visit(browser, server, shots, axe, image, width, scheme, language):
    name = f"{width}-{scheme}-{language}"
    context = browser.new_context(
        viewport={"width": width, "height": 844 if width < 500 else 900},
        color_scheme=scheme,
        locale="ko-KR" if language == "ko" else "en-GB",
        device_scale_factor=1,
        permissions=["clipboard-read", "clipboard-write"],
    )
    page = context.new_page()
    asked, spoken = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: spoken.append(message.text))
    page.on("pageerror", lambda error: spoken.append(str(error)))

    def shoot(step):
        no_sideways(page, f"{name} {step}")
        page.screenshot(path=f"{shots}/{name}-{step}.png", full_page=True)

    page.goto(server.url)
    labels = page.locator("#labels button")
    expect(labels).to_have_count(26)
    assert page.evaluate("document.documentElement.lang") == language
    shoot("1-empty")
    check_axe(page, axe, name)

    # A sample: letters light up, and the truth is known.
    page.click("#sample")
    expect(page.locator("#tools")).to_be_visible()
    expect(page.locator("#labels .found").first).to_be_visible()
    assert 10 <= page.locator("#labels .true").count() <= 14
    shoot("2-sample")
    check_axe(page, axe, name)

    # Hover and focus show a map; a press keeps it.
    if page.locator("#legend").inner_text():
        labels.nth(4).hover()
        expect(page.locator("#heat")).to_be_visible()
        page.mouse.move(0, 0)
        expect(page.locator("#heat")).to_be_hidden()
        labels.nth(2).focus()
        expect(page.locator("#heat")).to_be_visible()
        page.keyboard.press("Enter")
        expect(labels.nth(2)).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("Tab")
        page.locator("#threshold").focus()
        expect(page.locator("#heat")).to_be_visible()
        shoot("3-map")
        labels.nth(2).click()

    # The slider, by keyboard.
    slider = page.locator("#threshold")
    slider.focus()
    for _ in range(60):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#labels .found")).to_have_count(26)
    page.keyboard.press("End")
    expect(page.locator("#labels .found")).to_have_count(0)
    check_axe(page, axe, name)
    page.click("#own")
    expect(page.locator("#labels .found").first).to_be_visible()

    # Copies.
    page.click("#copy-json")
    assert '"probability"' in page.evaluate("navigator.clipboard.readText()")
    page.click("#copy-curl")
    command = page.evaluate("navigator.clipboard.readText()")
    assert command.startswith("curl --data-binary @image.png 'http://127.0.0.1:"), command

    # An image of one's own: chosen, dropped, pasted.
    page.set_input_files("#file", image)
    expect(page.locator("#facts")).to_contain_text(pathlib.Path(image).name)
    assert page.locator("#labels .true").count() == 0
    hand_over = """async ([kind, data]) => {
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], "dropped.png", {type: "image/png"}));
        const event = kind === "drop"
            ? new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true})
            : new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true});
        document.getElementById("stage").dispatchEvent(event);
    }"""
    import base64

    data = base64.b64encode(pathlib.Path(image).read_bytes()).decode()
    page.evaluate(hand_over, ["drop", data])
    expect(page.locator("#facts")).to_contain_text("dropped.png")
    page.evaluate(hand_over, ["paste", data])
    expect(page.locator("#facts")).not_to_contain_text("dropped.png")
    shoot("4-own")

    # What is no image is refused in words, and the page goes on.
    page.set_input_files("#file", {"name": "x.png", "mimeType": "image/png", "buffer": b"nothing"})
    expect(page.get_by_role("alert")).to_be_visible()
    shoot("5-refused")
    check_axe(page, axe, name)
    page.click("#language")
    assert page.evaluate("document.documentElement.lang") != language
    foreign = [url for url in asked if not url.startswith((server.url, "blob:"))]
    assert not foreign, foreign
    # Chromium says of every refused request that it failed; nothing else may be said.
    spoken = [line for line in spoken if "status of 415" not in line]
    assert not spoken, spoken
    context.close()


def main(program, model, image, shots, axe):
    pathlib.Path(shots).mkdir(parents=True, exist_ok=True)
    token = pathlib.Path(shots) / "token"
    token.write_text("0123456789abcdef0123456789abcdef")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with serving(program, [model]) as server:
            for width in (390, 1280):
                for scheme in ("light", "dark"):
                    for language in ("en", "ko"):
                        visit(browser, server, shots, axe, image, width, scheme, language)
        with serving(program, [model], "--token-file", str(token)) as server:
            page = browser.new_page(viewport={"width": 390, "height": 844})
            page.goto(server.url)
            expect(page.locator("#token")).to_be_focused()
            page.screenshot(path=f"{shots}/token.png", full_page=True)
            page.keyboard.type(token.read_text())
            page.keyboard.press("Enter")
            page.click("#sample")
            expect(page.locator("#tools")).to_be_visible()
            check_axe(page, axe, "token")
        browser.close()
    token.unlink()
    print("page: 2 widths, 2 schemes, 2 languages, a token; axe finds nothing, no request left the machine")


if __name__ == "__main__":
    main(*sys.argv[1:])
