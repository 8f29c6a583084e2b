"""Messages about alerts over HTTP, signed as the Standard Webhooks specification says (version 1, HMAC-SHA256)."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from service.channels import key_of, signature
from service.mirror import NotTaken, Send

WITHIN_S = 10.0


def sender(url: str, secret: str, now: Callable[[], float]) -> Send:
    """Posts a message; anything but a 2xx answer within ten seconds is not taken. No redirect is followed."""
    key = key_of(secret)
    client = httpx.Client(timeout=WITHIN_S, follow_redirects=False)

    def send(number: int, body: bytes) -> None:
        id, timestamp = f"cementwatch-{number}", int(now())
        headers = {
            "content-type": "application/json",
            "webhook-id": id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(key, id, timestamp, body),
        }
        try:
            answer = client.post(url, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise NotTaken(type(error).__name__) from None
        if not answer.is_success:
            raise NotTaken(f"answered {answer.status_code}")

    return send
