"""E2CC's commands: its access keys."""

from __future__ import annotations

from typing import Any, Final

from workers.core.delivery.outcome import Outcome
from workers.vendors.commands import Given, Parameter, SecretFile, Shown, VendorCommand
from workers.vendors.contract import Credentials, Flow
from workers.vendors.e2cc.keys import KeyRecord, create_key, list_keys, remove_key, rotate_key, shown_key

COLUMNS: Final = ("key", "label", "status", "permissions", "expires", "owner")
FILE: Final = "e2cc-access-key"
CACHED: Final = "E2CC may accept it for up to 5 minutes more"

_PARAMETERS: Final = (
    Parameter("label", "A friendly label."),
    Parameter("permission", "A permission's label; may be given several times.", "texts"),
    Parameter("expires_in_days", "Sets the date that E2CC shows; it ends no key (E2CC does not enforce it).", "count"),
)


def _list(_options: Any, credentials: Credentials, given: Given) -> Flow[Shown | Outcome]:
    wanted = {name: value for name in ("search", "status") if (value := given.values.get(name))}
    found = yield from list_keys(credentials, wanted)
    if not isinstance(found, list):
        return found
    return Shown(COLUMNS, [_row(each) for each in found], {"keys": [each.fields for each in found]})


def _create(_options: Any, credentials: Credentials, given: Given) -> Flow[Shown | Outcome]:
    found = yield from create_key(credentials, _wanted(given))
    return _shown(found) if isinstance(found, KeyRecord) else found


def _rotate(_options: Any, credentials: Credentials, given: Given) -> Flow[Shown | Outcome]:
    found = yield from rotate_key(credentials, given.values.get("key") or "", _wanted(given))
    return _shown(found) if isinstance(found, KeyRecord) else found


def _revoke(_options: Any, credentials: Credentials, given: Given) -> Flow[Shown | Outcome]:
    return (yield from _remove(credentials, given, for_good=False))


def _delete(_options: Any, credentials: Credentials, given: Given) -> Flow[Shown | Outcome]:
    return (yield from _remove(credentials, given, for_good=True))


def _remove(credentials: Credentials, given: Given, *, for_good: bool) -> Flow[Shown | Outcome]:
    key = given.values["key"]
    found = yield from remove_key(credentials, key, for_good=for_good)
    if not isinstance(found, KeyRecord):
        return found
    done = str(found.fields["status"])
    shown = shown_key(key, credentials["ACCESS_KEY"])
    return Shown(("key", "answer"), [(shown, f"{done}; {CACHED}")], {"key": shown, "status": done})


def _wanted(given: Given) -> dict[str, Any]:
    """The body of a request for a key: what was given, by E2CC's names."""
    values = given.values
    wanted = {
        "label": values.get("label"),
        "permissions": list(values.get("permission") or ()),
        "expiresInDays": values.get("expires_in_days"),
    }
    return {name: value for name, value in wanted.items() if value}


def _shown(found: KeyRecord) -> Shown:
    return Shown(COLUMNS, [_row(found)], {"accessKey": found.fields}, secret=found.secret)


def _row(record: KeyRecord) -> tuple[str, ...]:
    permissions = record.fields.get("permissions")
    texts = {name: "" if value is None else str(value) for name, value in record.fields.items()}
    shown = ", ".join(map(str, permissions)) if isinstance(permissions, list) else texts.get("permissions", "")
    names = ("partialKey", "label", "status")
    return (*(texts.get(name, "") for name in names), shown, texts.get("expiresAt", ""), texts.get("owner", ""))


def _subject(given: Given) -> str:
    key = given.values.get("key")
    return shown_key(key) if key else given.values.get("label") or "the worker's own key"


def _rotated(credentials: Credentials, given: Given) -> str:
    return given.values.get("key") or credentials["ACCESS_KEY"]


_KEY: Final = (
    "KEY is a key as `keys list` shows it; where E2CC wants the whole key, `@FILE` names a file that holds it."
)


COMMANDS: Final = (
    VendorCommand(
        name="keys list",
        meaning="List the account's access keys.",
        details="E2CC shows the beginning of each key. An expired key still works: only a revoked one does not.",
        example="relay vendor e2cc keys list",
        side="poller",
        takes="nothing",
        flow=_list,
        noun="key",
        parameters=(
            Parameter("search", "Only keys with this text in their label or owner."),
            Parameter("status", "Only keys of this status: active or revoked."),
        ),
    ),
    VendorCommand(
        name="keys create",
        meaning="Create an access key.",
        details="E2CC shows its secret once: it goes to FILE. A key reads everything, whatever its permissions.",
        example="relay vendor e2cc keys create --label sync --out new-key",
        side="poller",
        takes="nothing",
        flow=_create,
        changes="create the access key {}",
        asks=False,
        needs_reason=False,
        parameters=_PARAMETERS,
        subject=lambda given: given.values.get("label") or "(no label)",
        noun="key",
        secret_file=SecretFile(FILE, lambda _credentials, _given: None),
    ),
    VendorCommand(
        name="keys rotate",
        meaning="Give an access key a new secret; the former one dies at once.",
        details=f"Without KEY, the worker's own key. {_KEY} With --out at the file that E2CC_ACCESS_KEY_FILE names, a"
        " running poller goes on with the new secret.",
        example='relay vendor e2cc keys rotate --out "$E2CC_ACCESS_KEY_FILE" --yes',
        side="poller",
        takes="nothing",
        flow=_rotate,
        changes="replace the secret of {}",
        needs_reason=False,
        parameters=(Parameter("key", kind="secret", is_argument=True), *_PARAMETERS),
        subject=_subject,
        noun="key",
        secret_file=SecretFile(FILE, _rotated),
    ),
    VendorCommand(
        name="keys revoke",
        meaning="Revoke an access key; E2CC keeps its record.",
        details=f"{_KEY} {CACHED}.",
        example="relay vendor e2cc keys revoke Zsl56AqsL6 --yes",
        side="poller",
        takes="nothing",
        flow=_revoke,
        changes="revoke the access key {}",
        needs_reason=False,
        parameters=(Parameter("key", kind="secret", is_argument=True, required=True),),
        subject=_subject,
        noun="key",
    ),
    VendorCommand(
        name="keys delete",
        meaning="Delete an access key permanently.",
        details=f"{_KEY} {CACHED}.",
        example="relay vendor e2cc keys delete Zsl56AqsL6 --yes",
        side="poller",
        takes="nothing",
        flow=_delete,
        changes="delete the access key {} permanently",
        needs_reason=False,
        parameters=(Parameter("key", kind="secret", is_argument=True, required=True),),
        subject=_subject,
        noun="key",
    ),
)
