"""What the two Python clients share: the form of the report, which .ci/interop/run counts."""
import os
import time

LIMIT = 1024 * 1024  # bytes; the example servers' largest message


def check(name, test, *arguments, **options):
    try:
        test(*arguments, **options)
    except Exception as error:
        print(f"not ok {name}: {type(error).__name__}: {' '.join(str(error).split())[:300]}", flush=True)
    else:
        print(f"ok {name}", flush=True)


def expect(got, expected):
    if got != expected:
        raise AssertionError(f"got {got!r:.100}, expected {expected!r:.100}")


def ends(pid, seconds=10):
    """Waits for a server which was asked to end."""
    late = time.monotonic() + seconds
    while time.monotonic() < late:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError(f"the server runs on {seconds} seconds after it was asked to end")
