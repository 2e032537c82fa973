"""The schemas of topics.yaml's topics, and the registry that has them, if one is configured."""

from pathlib import Path

from workers.app.config.settings import RegistrySettings
from workers.app.config.specs import Config
from workers.edges.avro import registry as registries
from workers.edges.avro.registry import Registry
from workers.edges.avro.schema_files import Schemas, load_topic


def read_schemas(config: Config) -> Schemas:
    """Load the schema of each topic that has one; raises `SchemaError` that names the file."""
    files: dict[str, Path] = {
        topic.name: topic.schema_file for topic in config.topics.values() if topic.schema_file is not None
    }
    return {name: load_topic(name, file) for name, file in files.items()}


def open_registry(settings: RegistrySettings | None) -> Registry | None:
    """Make a client of the configured registry, if there is one; nothing is sent yet."""
    if settings is None:
        return None
    return registries.connect(settings.url, settings.username or "", settings.password or "")
