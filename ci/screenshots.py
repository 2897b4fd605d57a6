"""Pictures of a study page for the README, light and dark: `nox -s screenshots` makes the records, the page and them.

python ci/screenshots.py PAGE FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"
WIDTH, HEIGHT = 1200, 600
VIEW = "step=attention"  # of the Explorer; which two stages it shows is the page's own choice
MOST_BYTES = 250_000


def main() -> None:
    """Write `page-light.png` and `page-dark.png` into the folder: the Explorer, one step chosen."""
    page, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
            tab.goto(f"{page.as_uri()}#{VIEW}")
            tab.wait_for_selector("#explore[data-ready]")
            box = tab.locator("#explore").bounding_box()
            scrolled = tab.evaluate("window.scrollY")  # a box is told as from the top of what is seen
            top = box["y"] + scrolled - 12
            path = folder / f"page-{scheme}.png"
            # Of the page as a whole: what sticks to the top while one scrolls would lie over it.
            tab.screenshot(path=path, full_page=True, clip={"x": 0, "y": top, "width": WIDTH, "height": HEIGHT})
            if path.stat().st_size > MOST_BYTES:
                raise SystemExit(f"{path}: expected at most {MOST_BYTES:,} bytes, got {path.stat().st_size:,}")
            print(f"{path}: {path.stat().st_size:,} bytes")
        browser.close()


if __name__ == "__main__":
    main()
