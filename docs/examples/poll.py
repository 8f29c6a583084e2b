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
            content = answer.json()
        except httpx.TransportError as error:
            complain(f"cementwatch cannot be reached ({type(error).__name__})", heard_at)
        except ValueError:  # a proxy's answer, or a server that is just ending
            complain(f"cementwatch answers {answer.status_code} without content", heard_at)
        else:
            if answer.is_success:
                after, heard_at = content["next_after"], time.monotonic()
                for alert in content["items"]:
                    show(alert)
                for source in content["sources"]:
                    if source["state"] not in {"watching", "idle"}:
                        print(f"! {source['name']} is {source['state']}: a quiet screen means nothing", flush=True)
            elif answer.status_code == 409:  # another journal: begin anew
                after = 0
            else:  # nothing is quiet while the journal does not answer
                for alert in content["error"]["details"].get("unlogged", []):
                    show(alert)
                complain(content["error"]["message"], heard_at)


def complain(trouble: str, heard_at: float) -> None:
    print(f"! {trouble}; last heard {time.monotonic() - heard_at:.0f} s ago", flush=True)
    time.sleep(1)


def show(alert: dict) -> None:
    mark = " (not in the log)" if alert["unlogged"] else ""
    state = f"{alert['condition']}/{alert['signal']} {alert['mode']}"
    print(f"{alert['priority'].upper():6} {state}: {alert['message']}{mark}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
