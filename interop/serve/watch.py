"""The page of `soup watch` in Chromium: a run that trains, ends and goes away, at two widths, light and dark, in both
languages, with and without JavaScript.

npm install --prefix NODE axe-core
python watch.py SOUP RUN SCREENSHOTS NODE/node_modules/axe-core/axe.min.js
"""

import pathlib
import shutil
import sys
import tempfile

from playwright.sync_api import expect, sync_playwright

from page import check_axe, no_sideways
from server import serving

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WORDS = {
    "en": {"trains": "Training. Fold 0: 1 of", "ended": "Ended", "gone": "There is no run here", "pause": "Go on"},
    "ko": {"trains": "학습 중입니다. 폴드 0", "ended": "끝났습니다", "gone": "여기에는 실행이 없습니다", "pause": "계속"},
}


class Young:
    """A copy of a run whose first fold has one epoch, until it grows up."""

    def __init__(self, run, folder):
        self.whole, self.path = pathlib.Path(run), pathlib.Path(folder) / "young"
        self.begin()

    def begin(self):
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(self.whole, self.path)
        for fold in self.path.glob("fold[1-9]*"):
            shutil.rmtree(fold)
        fold = self.path / "fold0"
        for name in ("last.ckpt", "valid.npy"):
            (fold / name).unlink(missing_ok=True)
        metrics = fold / "metrics.jsonl"
        metrics.write_text(metrics.read_text().splitlines(keepends=True)[0])

    def end(self):
        # As the trainer does it: whole files under their names.
        for fold in self.whole.glob("fold*"):
            (self.path / fold.name).mkdir(exist_ok=True)
            for file in fold.iterdir():
                shutil.copy(file, self.path / fold.name / "next")
                (self.path / fold.name / "next").rename(self.path / fold.name / file.name)

    def leave(self):
        shutil.rmtree(self.path)


def visit(browser, server, young, shots, axe, width, scheme, language):
    name, words = f"watch-{width}-{scheme}-{language}", WORDS[language]
    young.begin()
    context = browser.new_context(
        viewport={"width": width, "height": 844 if width < 500 else 900},
        color_scheme=scheme,
        locale="ko-KR" if language == "ko" else "en-GB",
        reduced_motion="reduce",
    )
    page = context.new_page()
    asked, spoken = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: spoken.append(message.text))
    page.on("pageerror", lambda error: spoken.append(str(error)))

    def shoot(step):
        no_sideways(page, f"{name} {step}")
        page.screenshot(path=f"{shots}/{name}-{step}.png", full_page=True)
        check_axe(page, axe, f"{name} {step}")

    page.goto(server.url)
    assert page.evaluate("document.documentElement.lang") == language
    expect(page.locator("#status")).to_contain_text(words["trains"])
    expect(page.locator("#curves svg[role=img]")).to_have_count(4)
    shoot("1-trains")

    # Images, by keyboard; another press shows others.
    page.locator("#look").focus()
    page.keyboard.press("Enter")
    images = page.locator("#images image")
    expect(images.first).to_be_visible(timeout=60_000)
    first = page.locator("#images").inner_text()
    shoot("2-images")
    page.click("#look")
    expect(page.locator("#images")).not_to_have_text(first, timeout=60_000)

    # Paused, the page stays as it is; then it hears what happened.
    page.click("#pause")
    expect(page.locator("#pause")).to_have_text(words["pause"])
    young.end()
    page.wait_for_timeout(2500)
    expect(page.locator("#status")).to_contain_text(words["trains"])
    page.click("#pause")
    expect(page.locator("#status")).to_contain_text(words["ended"], timeout=15_000)
    page.locator("#settings summary").click()
    shoot("3-ended")

    young.leave()
    expect(page.locator("#status")).to_contain_text(words["gone"], timeout=15_000)
    expect(page.locator("#status")).to_be_visible()
    expect(page.locator("#curves-title")).to_be_hidden()
    shoot("4-gone")
    young.begin()
    expect(page.locator("#status")).to_contain_text(words["trains"], timeout=15_000)
    foreign = [url for url in asked if not url.startswith((server.url, "data:"))]
    assert not foreign and not spoken, (foreign, spoken)
    context.close()


def without_javascript(browser, server, young, shots):
    young.begin()
    context = browser.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False)
    page = context.new_page()
    page.goto(server.url)
    assert page.locator("#curves svg[role=img]").count() == 4
    page.click("#look")
    expect(page.locator("#images image").first).to_be_visible(timeout=60_000)
    page.screenshot(path=f"{shots}/watch-no-javascript.png", full_page=True)
    page.click("a[hreflang=ko]")
    expect(page.locator("#status")).to_contain_text(WORDS["ko"]["trains"])
    context.close()


def main(program, run, shots, axe):
    pathlib.Path(shots).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        young = Young(run, folder)
        with serving(program, [str(young.path)], verb="watch") as server:
            for width in (390, 1280):
                for scheme in ("light", "dark"):
                    for language in ("en", "ko"):
                        visit(browser, server, young, shots, axe, width, scheme, language)
            without_javascript(browser, server, young, shots)
            # A watcher that is gone is said, and found again by whoever keeps the page open.
            page = browser.new_page(viewport={"width": 390, "height": 844})
            page.goto(server.url)
        expect(page.locator("#problem")).to_be_visible(timeout=15_000)
        page.screenshot(path=f"{shots}/watch-offline.png")
        browser.close()
    print("watch: 2 widths, 2 schemes, 2 languages, no JavaScript; axe finds nothing, no request left the machine")


if __name__ == "__main__":
    main(*sys.argv[1:])
