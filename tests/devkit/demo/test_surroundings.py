"""No variable that leads to a real system reaches the demo's processes."""

from pathlib import Path

from workers.app.config.configuration import load_configuration
from workers.devkit.demo.surroundings import own_environ

CONFIG = load_configuration({"RELAY_TOPOLOGY": str(Path(__file__).parents[3] / "topics.yaml")}).config
REAL = {
    "ECDP_API_KEY_FILE": "/run/secrets/ecdp",
    "ECOURIER_USER_GUID": "canary",
    "DCL_PASSWORD_FILE": "/run/secrets/dcl",
    "SCHEMA_REGISTRY_URL": "https://registry",
    "RELAY_INSTANCE_ID": "pod-1",
    "RELAY__ECDP_SINK__DRAIN": "1h",
}
KAFKA = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "KAFKA_SASL_PASSWORD_FILE": "/run/secrets/kafka"}
REST = {"PATH": "/bin", "NO_PROXY": "intern"}


def test_the_variables_of_vendors_registry_relay_and_kafka_are_left_out() -> None:
    own = own_environ(REAL | KAFKA | REST, CONFIG, on_given_kafka=False)
    assert own.keys() == {"PATH", "NO_PROXY", "no_proxy"}
    assert own["NO_PROXY"] == "127.0.0.1,localhost,intern"


def test_those_of_the_users_own_kafka_stay_where_it_is_to_be_used() -> None:
    own = own_environ(REAL | KAFKA | {"RELAY_CA_FILE": "/ca.pem"}, CONFIG, on_given_kafka=True)
    assert own.items() >= (KAFKA | {"RELAY_CA_FILE": "/ca.pem"}).items()
    assert not own.keys() & REAL.keys()
