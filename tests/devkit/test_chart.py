"""helm/: the chart agrees with topics.yaml and the image. Tests that render it need `helm` on the PATH."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.app.config.configuration import load_configuration
from workers.app.config.settings import VARIABLES

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm/order-relay"
HELM = shutil.which("helm")
CONFIG = load_configuration({"RELAY_TOPOLOGY": str(ROOT / "topics.yaml")}).config

needs_helm = pytest.mark.skipif(HELM is None, reason="no helm on the PATH")


def values() -> Any:
    return yaml.safe_load((CHART / "values.yaml").read_text())


def render(*settings: str) -> list[dict[str, Any]]:
    assert HELM is not None
    sets = [part for setting in settings for part in ("--set", setting)]
    ran = subprocess.run([HELM, "template", "r", str(CHART), *sets], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return [document for document in yaml.safe_load_all(ran.stdout) if document]


def of(kind: str, documents: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in documents if one["kind"] == kind}


def environ(spec: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in spec["containers"][0]["env"]}


def test_the_chart_names_every_worker_and_has_the_workers_defaults() -> None:
    given = values()
    assert set(given["workers"]) == set(CONFIG.workers)
    spec = CONFIG.workers["ecdp-sink"]
    assert (given["defaults"]["drainSeconds"], given["defaults"]["sessionSeconds"]) == (spec.drain, spec.session)
    assert set(given["environ"]) | {"RELAY_INSTANCE_ID", "RELAY_HTTP_ADDR"} <= VARIABLES
    for file in (CHART / "templates/workers.yaml", ROOT / "Dockerfile"):
        assert "*:8080" in file.read_text(), "a pod may have IPv6 alone"


@needs_helm
def test_helm_lint_finds_nothing() -> None:
    assert HELM is not None
    ran = subprocess.run([HELM, "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


@needs_helm
def test_a_pod_keeps_its_name_outlives_its_drain_and_is_probed_where_the_worker_answers() -> None:
    documents = render("workers.ecdp-sink.drainSeconds=60", "workers.ecdp-sink.environ.RELAY_LOG_LEVEL=debug")
    sets = of("StatefulSet", documents)
    assert set(sets) == {f"r-{name}" for name in CONFIG.workers} == set(of("PodDisruptionBudget", documents))
    pod = sets["r-ecdp-sink"]["spec"]["template"]["spec"]
    found = environ(pod)
    assert found["RELAY__ECDP_SINK__DRAIN"] == "60s"
    assert found["RELAY_LOG_LEVEL"] == "debug"
    assert pod["terminationGracePeriodSeconds"] > 60 + 5
    (name,) = (one for one in pod["containers"][0]["env"] if one["name"] == "RELAY_INSTANCE_ID")
    assert name["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    (relay,) = pod["containers"]
    assert relay["args"] == ["run", "ecdp-sink"]
    paths = [relay[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")]
    assert paths == ["/startupz", "/livez", "/readyz"]
    assert pod["securityContext"]["runAsUser"] == 10001
    assert f"useradd --uid {10001}" in (ROOT / "Dockerfile").read_text()
    assert relay["securityContext"]["readOnlyRootFilesystem"] is True


@needs_helm
def test_each_variable_of_a_pod_is_there_once_and_the_users_wins() -> None:
    """Server-side apply refuses two entries of one name, and the relay refuses X beside X_FILE."""
    documents = render(
        "environ.RELAY_HTTP_ADDR=[::]:9090",
        "environ.RELAY__ECDP_SINK__DRAIN=5s",
        "environ.RELAY_INSTANCE_ID=one",
        "environ.ECDP_API_KEY=plain",
        "secrets.ECDP_API_KEY.name=ecdp",
        "secrets.ECDP_API_KEY.key=k",
        "secrets.DCL_PASSWORD.name=dcl",
        "secrets.DCL_PASSWORD.key=k",
        "workers.dcl-poller.environ.DCL_PASSWORD_FILE=/own",
        "workers.ecourier-sink.environ.ECDP_API_KEY=own",
        "topicsApply=true",
    )
    sets = of("StatefulSet", documents)
    pods = {name: one["spec"]["template"]["spec"] for name, one in (sets | of("Job", documents)).items()}
    for pod in pods.values():
        names = [one["name"].removesuffix("_FILE") for one in pod["containers"][0]["env"]]
        assert len(names) == len(set(names))
    found = environ(pods["r-ecdp-sink"])
    assert (found["RELAY_HTTP_ADDR"], found["RELAY__ECDP_SINK__DRAIN"]) == ("[::]:9090", "5s")
    assert (found["RELAY_INSTANCE_ID"], found["RELAY__ECDP_SINK__SESSION"]) == ("one", "45s")
    assert found["RELAY__ECDP_SINK__LEAVE"] == "false", "a pod keeps its partitions over a restart"
    assert pods["r-ecdp-sink"]["containers"][0]["ports"] == [{"name": "http", "containerPort": 9090}]
    assert found["ECDP_API_KEY_FILE"] == "/run/secrets/relay/ECDP_API_KEY"
    assert environ(pods["r-ecourier-sink"])["ECDP_API_KEY"] == "own"
    assert environ(pods["r-dcl-poller"])["DCL_PASSWORD_FILE"] == "/own"


@needs_helm
def test_a_worker_without_a_health_server_is_not_probed() -> None:
    (relay,) = of("StatefulSet", render("environ.RELAY_HTTP_ADDR=off"))["r-ecdp-sink"]["spec"]["template"]["spec"][
        "containers"
    ]
    assert not {"ports", "startupProbe", "livenessProbe", "readinessProbe"} & set(relay)


@needs_helm
def test_a_workers_secret_is_mounted_as_a_file_in_its_pods_only() -> None:
    documents = render(
        "secrets.KAFKA_SASL_PASSWORD.name=kafka",
        "secrets.KAFKA_SASL_PASSWORD.key=p",
        "workers.ecdp-sink.secrets.ECDP_API_KEY.name=ecdp",
        "workers.ecdp-sink.secrets.ECDP_API_KEY.key=k",
    )
    sets = of("StatefulSet", documents)
    pod = sets["r-ecdp-sink"]["spec"]["template"]["spec"]
    mounted = {
        item["path"]: (source["secret"]["name"], item["key"])
        for source in pod["volumes"][0]["projected"]["sources"]
        for item in source["secret"]["items"]
    }
    assert mounted == {"ECDP_API_KEY": ("ecdp", "k"), "KAFKA_SASL_PASSWORD": ("kafka", "p")}
    (where,) = (one["mountPath"] for one in pod["containers"][0]["volumeMounts"])
    assert environ(pod)["ECDP_API_KEY_FILE"] == f"{where}/ECDP_API_KEY"
    assert "ECDP_API_KEY_FILE" not in environ(sets["r-dcl-poller"]["spec"]["template"]["spec"])


@needs_helm
def test_topics_are_applied_before_the_workers_and_with_the_same_topics_yaml() -> None:
    documents = render("topicsApply=true", "topology=version: 1")
    (job,) = of("Job", documents).values()
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    spec = job["spec"]["template"]["spec"]
    assert spec["containers"][0]["args"] == ["topics", "apply"]
    maps = of("ConfigMap", documents)
    (volume,) = (one["configMap"]["name"] for one in spec["volumes"] if one["name"] == "topology")
    assert maps[volume]["data"] == maps["r-topology"]["data"] == {"topics.yaml": "version: 1"}
    assert maps[volume]["metadata"]["annotations"]["helm.sh/hook-weight"] == "-1"
    assert not of("Job", render())


@needs_helm
def test_alerts_and_dashboard_are_shipped_as_they_stand_and_only_if_asked() -> None:
    asked = [f"monitoring.{name}=true" for name in ("rules", "serviceMonitor", "dashboard")]
    documents = render(*asked, "monitoring.runbook=https://wiki.example/relay", "monitoring.labels.release=prometheus")
    (rule,) = of("PrometheusRule", documents).values()
    text = (CHART / "rules/order-relay.yaml").read_text().replace("docs/runbook.md#", "https://wiki.example/relay#")
    assert rule["spec"] == yaml.safe_load(text)
    (monitor,) = of("ServiceMonitor", documents).values()
    assert rule["metadata"]["labels"]["release"] == monitor["metadata"]["labels"]["release"] == "prometheus"
    for service in of("Service", documents).values():
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert service["spec"]["ports"][0]["name"] == monitor["spec"]["endpoints"][0]["port"]
        assert "annotations" not in service["metadata"], "a second job would read each pod"
    dashboard = of("ConfigMap", documents)["r-dashboard"]
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    (page,) = dashboard["data"].values()
    assert json.loads(page) == json.loads((CHART / "dashboards/order-relay.json").read_text())
    assert not {"PrometheusRule", "ServiceMonitor", "ConfigMap"} & {one["kind"] for one in render()}


@needs_helm
@pytest.mark.parametrize(
    "wrong", ["wokers.x.replicas=1", "workers.ecdp-sink.replicas=two", "environ.kafka=x", "monitoring.rule=true"]
)
def test_an_unknown_or_wrong_value_is_refused(wrong: str) -> None:
    assert HELM is not None
    ran = subprocess.run([HELM, "template", str(CHART), "--set", wrong], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "values don't meet the specifications of the schema" in ran.stderr


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert f'version = "{chart["appVersion"]}"' in (ROOT / "pyproject.toml").read_text()
    json.loads((CHART / "values.schema.json").read_text())
