"""Measure the last commits that changed the package, publish their history, and serve it.

The page works without a network: the scripts that asv's loads from elsewhere are put beside it.
"""

import argparse
import contextlib
import functools
import http.server
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import comparison
from asv.config import Config
from asv_results import MACHINE, SHAPES

ALGORITHMS = "auto|two_pass|scipy|limit"
QUICK = [
    rf"^functions\.Softmax.*'({ALGORITHMS}|three_pass_reload)', 'float32', '({SHAPES})'",
    rf"^functions\.Log.*'({ALGORITHMS})', 'float32', '16Mi'",
    r"^functions\.Threads.*, [12], '16Mi'",
    r"^costs\.",
]
# Medians over three quarters of a second, minutes apart: a moment in which all is slow spoils one.
ROUNDS = ("--attribute", "rounds=3", "--interleave-rounds")
SOURCES = ["src", "meson.build", "pyproject.toml"]

# npm package -> {its file: the end of the address that asv's page has}
VENDORED = {
    "jquery@3.3.1": {"dist/jquery.min.js": "jquery-3.3.1.min.js"},
    "flot@0.8.3": {
        "jquery.flot.js": "jquery.flot.min.js",
        "jquery.flot.time.js": "jquery.flot.time.min.js",
        "jquery.flot.selection.js": "jquery.flot.selection.min.js",
        "jquery.flot.categories.js": "jquery.flot.categories.min.js",
    },
    "flot-orderbars@1.0.0": {"js/jquery.flot.orderBars.js": "jquery.flot.orderBars.js"},
    "stupid-table-plugin@1.1.3": {"stupidtable.min.js": "stupidtable.min.js"},
    "blueimp-md5@2.19.0": {"js/md5.min.js": "md5.min.js"},
    "bootstrap@3.1.1": {
        "dist/js/bootstrap.min.js": "bootstrap.min.js",
        "dist/css/bootstrap.min.css": "bootstrap.min.css",
    },
}

LAST_TAB = '<li id="nav-li-graphdisplay">'
COMPARISON_TAB = '<li><a href="comparison.html">Comparison</a></li>'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--commits", type=int, default=5, help="how many to measure (0: publish only)"
    )
    parser.add_argument("--full", action="store_true", help="every benchmark, for hours")
    parser.add_argument("--port", type=int, default=8080, help="where to serve it (0: do not)")
    args = parser.parse_args()

    if not shutil.which("npm"):
        raise SystemExit("needs npm, for the scripts of the page: it comes with Node.js")
    if args.commits:
        measure(args.commits, [] if args.full else QUICK)
    page = publish()
    if args.port:
        serve(page, args.port)


def measure(commits: int, selection: list[str]) -> None:
    listing = Path(".asv/commits")
    listing.parent.mkdir(exist_ok=True)
    listing.write_text(
        run("git", "log", f"-{commits}", "--format=%H", "--", *SOURCES, stdout=subprocess.PIPE)
    )
    run("asv", "machine", "--yes", "--machine", MACHINE)
    options = [word for pattern in selection for word in ("--bench", pattern)]
    if selection:
        options += ROUNDS
    command = ("asv", "run", f"HASHFILE:{listing}", "--machine", MACHINE)
    run(*command, "--skip-existing-successful", *options)


def publish() -> Path:
    """Make the page of all results, and return its folder."""
    run("asv", "publish")
    conf = Config.load("asv.conf.json")
    page = Path(conf.html_dir)
    vendor(page)
    (page / "comparison.html").write_text(comparison.render(conf), encoding="utf-8")
    return page


def run(*command: str, **options) -> str:
    return subprocess.run(command, check=True, text=True, **options).stdout


def vendor(page: Path) -> None:
    """Fetch the scripts as npm packages, let the page load these, and link the comparison."""
    index = page / "index.html"
    html = index.read_text(encoding="utf-8")
    for package, files in VENDORED.items():
        with tempfile.TemporaryDirectory() as folder:
            pack = ("npm", "pack", "--silent", "--pack-destination", folder, package)
            run(*pack, stdout=subprocess.DEVNULL)
            with tarfile.open(next(Path(folder).iterdir())) as archive:
                for file, name in files.items():
                    (page / name).write_bytes(archive.extractfile(f"package/{file}").read())
                    html = re.sub(
                        rf'"https://[^"]*/{re.escape(name)}" integrity="[^"]*"', f'"{name}"', html
                    )
    if remote := re.findall(r'(?:src|href)="https://[^"]*\.(?:js|css)"', html):
        raise SystemExit(f"the page still loads {', '.join(remote)}")
    html = html.replace(LAST_TAB, COMPARISON_TAB + LAST_TAB)
    index.write_text(html, encoding="utf-8")


def serve(page: Path, port: int) -> None:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=page)
    with http.server.ThreadingHTTPServer(("localhost", port), handler) as server:
        print(f"history: http://localhost:{port}/  ratios: http://localhost:{port}/comparison.html")
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
