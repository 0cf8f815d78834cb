"""Figures of the frontend on a deployed host: the way through nginx against the server itself, and what a visitor loads.

Part of tests/bench.py. Load goes from the host to itself, and is bounded in time.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from playwright.sync_api import sync_playwright

from tests.browser.person import chromium

SECONDS = 8
# Each place is asked in turn, and again: what else the machine does then falls on all of them.
ROUNDS = 3
# What nginx can do at best: the same bytes as a plain file, over the same TLS.
PLAIN = """server {
    listen 127.0.0.1:8443 ssl;
    server_name %s;
    ssl_certificate /etc/aiko/tls/site.crt;
    ssl_certificate_key /etc/aiko/tls/site.key;
    root /var/lib/aiko-site;
}
"""


def load_generator(run: Callable[[str], str]) -> None:
    """Bring wrk to the host."""
    run("apt-get install -q -y --no-install-recommends wrk >/dev/null 2>&1")


def rate(run: Callable[[str], str], url: str, domain: str) -> float:
    """Requests a second at a URL of the host, by wrk; every answer must be good."""
    out = run(f"wrk --threads 1 --connections 8 --duration {SECONDS}s --timeout 30s --header 'Host: {domain}' '{url}'")
    assert "Non-2xx" not in out, out
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])


def ratio(run: Callable[[str], str], domain: str, title: str, ours: str, floor: str) -> None:
    """Print both rates, each the middle one of its rounds, and what they are to each other."""
    rounds = [(rate(run, ours, domain), rate(run, floor, domain)) for _ in range(ROUNDS)]
    mine, other = (sorted(side)[ROUNDS // 2] for side in zip(*rounds, strict=True))
    print(f"{mine / other:8.2f}    {title} ({mine:.0f} / {other:.0f} requests/s)", flush=True)


def figures(run: Callable[[str], str], address: str, domain: str) -> None:
    """Print the figures.

    Args:
        run: runs a command on the host as root and returns what it printed.
        address: of the host, as the controller sees it.
        domain: the site's name.
    """
    load_generator(run)
    chunks = "/srv/aiko/frontend/current/.next/static/chunks"
    asset = run(f"cd {chunks} && ls -S *.js | head -1").strip()
    run(f"cp {chunks}/{asset} /var/lib/aiko-site/plain.js && printf %s {shlex.quote(PLAIN % domain)} > /etc/nginx/sites-enabled/bench.conf "
        "&& systemctl reload nginx")
    site, server = "https://127.0.0.1", "http://127.0.0.1:3000"
    print("\nFrontend, side by side on one host:")
    ratio(run, domain, "page made ahead, through nginx and TLS / the server itself", f"{site}/", f"{server}/")
    ratio(run, domain, "page made on demand, through nginx and TLS / the server itself", f"{site}/login", f"{server}/login")
    ratio(run, domain, "static file of the frontend, kept by nginx / plain file of nginx", f"{site}/_next/static/chunks/{asset}",
          "https://127.0.0.1:8443/plain.js")
    run("rm /etc/nginx/sites-enabled/bench.conf /var/lib/aiko-site/plain.js && systemctl reload nginx")
    visit(address, domain)
    print(f"{run('du -sm --apparent-size /srv/aiko/frontend/current/ | cut -f1').strip():>8} MB a release on the host")
    print(f"{run('systemd-analyze security --no-pager aiko-frontend@blue | tail -1').strip():>8}")


def visit(address: str, domain: str) -> None:
    """What the first visit of the home page loads, and when its largest part is there (LCP, as Chromium measures it)."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", f"--host-resolver-rules=MAP {domain} {address}"])
        page = browser.new_page(ignore_https_errors=True, base_url=f"https://{domain}")
        loaded: dict[str, list[int]] = {}
        kinds: dict[str, str] = {}
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.on("Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["type"]}))
        network.on("Network.loadingFinished", lambda event: loaded.setdefault(kinds.get(event["requestId"], "Other"), []).append(
            int(event["encodedDataLength"])))  # fmt: skip
        page.goto("/", wait_until="networkidle")
        largest = page.evaluate("""() => new Promise(resolve => new PerformanceObserver(list => resolve(list.getEntries().at(-1).startTime))
            .observe({type: 'largest-contentful-paint', buffered: true}))""")
        print(f"{sum(map(sum, loaded.values())) / 1000:8.0f} kB on the first visit of the home page: "
              + ", ".join(f"{kind} {sum(sizes) / 1000:.0f}" for kind, sizes in sorted(loaded.items())))
        print(f"{largest:8.0f} ms until its largest part is painted (LCP)")
        browser.close()
