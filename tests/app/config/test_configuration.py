"""The whole configuration is read at once, with every fault in it."""

from pathlib import Path

import pytest

import workers
from workers.app.config.configuration import load_configuration
from workers.app.config.errors import ConfigError

ENVIRON = {
    "RELAY_TOPOLOGY": str(Path(workers.__file__).parent.parent / "topics.yaml"),
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "ECDP_BASE_URL": "https://ecdp.example",
    "ECDP_API_KEY": "key",
}


def test_proxy_that_cannot_be_used_is_a_fault_of_its_variable() -> None:
    with pytest.raises(ConfigError, match=r"HTTPS_PROXY: names a proxy of socks5; only http:// and https://") as caught:
        load_configuration(ENVIRON | {"HTTPS_PROXY": "socks5://user:canary@127.0.0.1:1080"}, ["ecdp-sink"])
    assert "canary" not in str(caught.value)


def test_proxy_to_the_registry_is_read_in_the_same_way() -> None:
    environ = ENVIRON | {"SCHEMA_REGISTRY_URL": "http://registry.example", "all_proxy": "socks5://127.0.0.1:1080"}
    with pytest.raises(ConfigError, match="all_proxy: names a proxy of socks5"):
        load_configuration(environ | {"NO_PROXY": "ecdp.example"}, ["ecdp-sink"])
    load_configuration(environ | {"NO_PROXY": "*.example"}, ["ecdp-sink"])


def test_a_poller_that_could_read_none_of_its_sets_is_a_fault_of_the_variable_that_they_need(tmp_path: Path) -> None:
    environ = ENVIRON | {"KOMET_TOKEN": "t", "KOMET_CUSTOMER_ID": "12"}
    load_configuration(environ, ["komet-poller"])
    whole = Path(ENVIRON["RELAY_TOPOLOGY"]).read_text()
    names = ("invoices", "web_orders", "prebooks", "customer")
    komet, start = whole.index("  komet-poller:\n"), "publishes: ["
    lines = [line for line in whole[komet:].splitlines() if line.split(":")[0].strip() not in names]
    text = "\n".join(lines).replace(
        f"{start}invoice-changed, order-stage-changed, inventory-changed, credit-changed]",
        f"{start}inventory-changed]",
        1,
    )
    (tmp_path / "topics.yaml").write_text(whole[:komet] + text)
    with pytest.raises(
        ConfigError, match="KOMET_ACCOUNT: the set 'inventory' is not read: KOMET_ACCOUNT is not set; komet-poller"
    ):
        load_configuration(environ | {"RELAY_TOPOLOGY": str(tmp_path / "topics.yaml")}, ["komet-poller"])


def test_proxy_that_no_worker_uses_is_no_fault() -> None:
    environ = ENVIRON | {"HTTPS_PROXY": "socks5://127.0.0.1:1080", "NO_PROXY": "ecdp.example"}
    assert load_configuration(environ, ["ecdp-sink"]).credentials["ecdp-sink"]["BASE_URL"] == "https://ecdp.example"
