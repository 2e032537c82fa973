"""An E2CC account for tests, whose key may change as a mounted file does."""

import httpx
import orjson

ACCESS_KEY = "canary-3f9a-whole-secret"


class Account(dict[str, str]):
    """`workers.vendors.contract.Credentials`."""


def account(**other: str) -> Account:
    base = {"BASE_URL": "https://e2cc.example/api", "ACCESS_KEY": ACCESS_KEY, "TIME_ZONE": "America/New_York"}
    return Account(base | other)


def answer(body: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, content=orjson.dumps(body), headers={"content-type": "application/json"})
