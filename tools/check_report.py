"""Whether a report of `twopass paper` fits its window, and needs nothing beside itself.

    python tools/check_report.py report.html [FOLDER]

Chromium shows it as wide as a desktop's window and as a phone's; pictures of both go into FOLDER.
Without Chromium only the source is looked at.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

WIDTHS = (1280, 390)
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
OUTSIDE = re.compile(r"<(?:script|link|img|iframe)\b|@import|url\(\s*['\"]?(?!#)(?!data:)|\bsrc=")

# A window cannot be as narrow as a phone: a frame can, and it has the style of its own width.
WRAPPER = """<!doctype html>
<style>body {{ margin: 0 }} iframe {{ border: 0; display: block }}</style>
<iframe srcdoc="{page}" style="width: {width}px; height: {height}px"></iframe>
<pre></pre>
<script>
onload = () => {{
  const frame = frames[0], root = frame.document.documentElement
  const requests = frame.performance.getEntriesByType("resource").map((entry) => entry.name)
  const found = ["found", root.scrollWidth, frame.innerWidth, root.scrollHeight, ...requests]
  document.querySelector("pre").textContent = found.join(" ") + " end"
}}
</script>"""


def main(report: str, folder: str = "") -> None:
    page = Path(report).read_text(encoding="utf-8")
    assert not (found := OUTSIDE.findall(page)), f"it needs something beside itself: {found}"
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        print("no Chromium: the report was not laid out")
        return
    for width in WIDTHS:
        needed, inner, height, *requests = look(browser, page, width)
        assert int(needed) <= int(inner) == width, f"at {width} px it is {needed} px wide"
        assert not requests, requests
        print(f"fits into {width} px, {height} px long, no request")
        if folder:
            look(browser, page, width, int(height), Path(folder, f"report-{width}.png"))


def look(
    browser: str, page: str, width: int, height: int = 900, picture: Path | None = None
) -> list[str]:
    """What the script finds, or nothing but a picture."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        wrapper = Path(folder, "wrapper.html")
        text = WRAPPER.format(page=escape(page), width=width, height=height)
        wrapper.write_text(text, encoding="utf-8")
        act = f"--screenshot={picture.resolve()}" if picture else "--dump-dom"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
        size = f"--window-size={max(width, 500)},{height}"
        result = subprocess.run(
            [browser, *flags, "--hide-scrollbars", size, act, wrapper.as_uri()],
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=True,
        )
    if picture:
        return []
    return re.search(r"<pre>found (.*) end</pre>", result.stdout)[1].split()


if __name__ == "__main__":
    main(*sys.argv[1:])
