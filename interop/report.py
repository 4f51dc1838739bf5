"""A page of `soup report` in Chromium: on a phone, on a desk and on paper, light and dark.

npm install --prefix NODE axe-core
python interop/report.py REPORT.html SCREENSHOTS NODE/node_modules/axe-core/axe.min.js

Checked: it opens within a second, asks nothing of any network, nothing is wider than the window, no words of a plot lie
over one another or stick out of it, axe finds no violation. The rest is for eyes: screenshots, and the sheets of paper.
"""

import pathlib
import shutil
import sys
import time

import pypdfium2
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(pathlib.Path(__file__).parent / "serve"))
from page import check_axe, no_sideways

# Words of a plot that meet by more than a hair, and words outside of their plot.
CROWDED = """() => {
    const found = [];
    for (const svg of document.querySelectorAll('svg')) {
        const frame = svg.getBoundingClientRect();
        if (!frame.width) continue;
        const words = [...svg.querySelectorAll('text')].filter(text => text.textContent.trim());
        const boxes = words.map(text => text.getBoundingClientRect());
        const name = (svg.getAttribute('aria-label') || svg.id || 'a plot').slice(0, 60);
        boxes.forEach((a, i) => {
            if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1 || a.bottom > frame.bottom + 1)
                found.push(`${name}: "${words[i].textContent}" sticks out`);
            boxes.slice(0, i).forEach((b, j) => {
                const turned = words[i].hasAttribute('transform') !== words[j].hasAttribute('transform');
                const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                if (!turned && wide > 2 && high > 4)
                    found.push(`${name}: "${words[i].textContent}" over "${words[j].textContent}"`);
            });
        });
    }
    return found;
}"""


def visit(browser, report, shots, axe, width, scheme):
    name = f"{report.stem}-{width}-{scheme}"
    height = 844 if width < 500 else 900
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    asked, spoken = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: spoken.append(message.text))
    page.on("pageerror", lambda error: spoken.append(str(error)))
    began = time.perf_counter()
    page.goto(report.resolve().as_uri())
    seconds = time.perf_counter() - began
    assert seconds < 1, f"{name}: opened in {seconds:.2f} s"
    # What is folded up is looked at, too.
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    no_sideways(page, name)
    crowded = page.evaluate(CROWDED)
    page.screenshot(path=f"{shots}/{name}.png", full_page=True)
    check_axe(page, axe, name)
    outside = [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
    assert not outside and not spoken, f"{name}: {outside} {spoken}"
    if width > 500:
        page.pdf(path=f"{shots}/{name}.pdf", format="A4", print_background=scheme == "dark")
        for number, sheet in enumerate(pypdfium2.PdfDocument(f"{shots}/{name}.pdf")):
            sheet.render(scale=1.3).to_pil().save(f"{shots}/{name}-paper-{number + 1}.png")
    context.close()
    print(f"{name}: opened in {seconds:.2f} s")
    return [f"{name}: {problem}" for problem in crowded]


def main(report, shots, axe):
    report = pathlib.Path(report)
    pathlib.Path(shots).mkdir(parents=True, exist_ok=True)
    problems = []
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        for width in (390, 1280):
            for scheme in ("light", "dark"):
                problems += visit(browser, report, shots, axe, width, scheme)
        browser.close()
    print("\n".join(problems) or "nothing overlaps or sticks out")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main(*sys.argv[1:])
