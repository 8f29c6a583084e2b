"""Polls cementwatch for alerts and prints them: a client of another maker, in forty lines. Needs httpx.

python poll.py http://127.0.0.1:8000 [token]
"""

import sys
import time

import httpx


def main(url: str, token: str | None = None) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    client = httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=20)
    after, heard_at = 0, time.monotonic()
    while True:
        try:
            answer = client.get("/alerts", params={"after": after, "wait": 2})
        except httpx.TransportError as error:
            answer, trouble = None, f"cementwatch cannot be reached ({type(error).__name__})"
        if answer is not None and answer.status_code == 409:  # another journal: begin anew
            after = 0
            continue
        if answer is not None and answer.is_success:
            page, heard_at = answer.json(), time.monotonic()
            after = page["next_after"]
            for alert in page["items"]:
                show(alert)
            for source in page["sources"]:
                if source["state"] not in {"watching", "idle"}:
                    print(f"! {source['name']} is {source['state']}: a quiet screen means nothing", flush=True)
            continue
        if answer is not None:  # nothing is quiet while the journal does not answer
            error = answer.json()["error"]
            trouble = error["message"]
            for alert in error["details"].get("unlogged", []):
                show(alert)
        print(f"! {trouble}; last heard {time.monotonic() - heard_at:.0f} s ago", flush=True)
        time.sleep(1)


def show(alert: dict) -> None:
    mark = " (not in the log)" if alert["unlogged"] else ""
    print(
        f"{alert['priority'].upper():6} {alert['condition']}/{alert['signal']} {alert['mode']}: {alert['message']}{mark}",
        flush=True,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
