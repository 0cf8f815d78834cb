"""Ask again and again until /run/hammer.stop exists, then say how many answers were good and which were not."""

import concurrent.futures
import http.client
import json
import pathlib
import time

STOP = pathlib.Path("/run/hammer.stop")


def ask() -> str:
    connection = http.client.HTTPConnection("127.0.0.1", 5000, timeout=30)
    try:
        connection.request("GET", "/health")
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()


def client(_) -> list[str]:
    answers = []
    while not STOP.exists():
        answers.append(ask())
        # A pace, not a wait: two hundred requests a second are enough to hit any gap.
        time.sleep(0.02)
    return answers


with concurrent.futures.ThreadPoolExecutor(4) as pool:
    told = [answer for answers in pool.map(client, range(4)) for answer in answers]
print(json.dumps({"asked": len(told), "bad": [answer for answer in told if answer != "200"]}))
