"""A headless Firefox in a session, driven through WebDriver BiDi.

    firefox.py client URL MESSAGES
"""
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.parse

from websockets.sync.client import connect

PREFERENCES = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.safebrowsing.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
}
SECONDS = 100


def main(url):
    profile = tempfile.mkdtemp(prefix="firefox-")
    with open(f"{profile}/user.js", "w") as file:
        file.writelines(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in PREFERENCES.items())
    words = ["firefox-esr", "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0"]
    firefox = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        with connect(f"{address(firefox)}/session", max_size=None, compression=None) as bidi:
            command(bidi, "session.new", capabilities={})
            context = command(bidi, "browsingContext.getTree")["contexts"][0]["context"]
            page = f"http://{urllib.parse.urlsplit(url).netloc}/"
            command(bidi, "browsingContext.navigate", context=context, url=page, wait="complete")
            done = command(bidi, "script.evaluate", expression=f"talk({json.dumps(url)})", target={"context": context},
                           awaitPromise=True)
            if done.get("result", {}).get("value") != "done":
                raise AssertionError(done.get("exceptionDetails", done).get("text", done))
    finally:
        firefox.kill()
        firefox.wait()
        shutil.rmtree(profile, ignore_errors=True)


def address(firefox):
    for line in firefox.stderr:
        if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", line):
            threading.Thread(target=firefox.stderr.read, daemon=True).start()
            return found[1]
    raise AssertionError("it did not say where it listens")


def command(bidi, method, **parameters):
    bidi.send(json.dumps({"id": 1, "method": method, "params": parameters}))
    while (answer := json.loads(bidi.recv(timeout=SECONDS))).get("id") != 1:
        pass  # an event
    if answer["type"] != "success":
        raise AssertionError(f"{method}: {answer['message']}")
    return answer["result"]


if __name__ == "__main__":
    main(sys.argv[2])
