"""What the manifests are held against: the services' flags, the table of who talks to whom, the secrets that are made."""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ["gateway", "users", "catalog", "search", "orders", "inventory", "payments"]
# What the table in ARCHITECTURE.md calls what runs beside the services, and the port it listens on.
SERVERS = {
    "PostgreSQL": ("postgres", 5432),
    "RabbitMQ": ("rabbitmq", 5672),
    "Redis": ("redis", 6379),
    "Elasticsearch": ("elasticsearch", 9200),
    "Prometheus": ("prometheus", 9090),
}
PUBLIC, ADMIN = 8080, 9000
# Read by what services are built from, and not by their own configuration.
FOREIGN_VARIABLES = re.compile(r"RUST_LOG|OTEL_[A-Z_]+|TOKIO_WORKER_THREADS|PGPASSWORD")

# Where the structs are that a service's configuration takes in, by the type of the field.
FLATTENED = {
    "chassis::Config": ["crates/chassis/src/config.rs"],
    "database::Options": ["crates/database/src/lib.rs"],
    "messaging::Options": ["crates/messaging/src/lib.rs"],
    "cache::Options": ["crates/cache/src/options.rs"],
    "engine::Options": ["services/search/src/engine.rs"],
}
ARGUMENT = re.compile(r"#\[arg\(((?:[^()\[\]]|\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\]]*\])*)\)\]\s*pub (\w+): ([^\n]+?),\n")
TAKEN_IN = re.compile(r"#\[command\(flatten\)\]\s*pub \w+: ([\w:]+),")


@dataclass
class Flags:
    """Environment variables that a service reads, and those it does not start without."""

    known: set = field(default_factory=set)
    required: set = field(default_factory=set)

    def read(self, path, flattened):
        text = path.read_text()
        for options, name, kind in ARGUMENT.findall(text):
            given = re.search(r'\benv = "(\w+)"', options)
            if not given and not re.search(r"\benv\b", options):
                continue
            variable = given.group(1) if given else name.upper()
            self.known.add(variable)
            optional = kind.startswith(("Option<", "bool", "Vec<")) or "default_value" in options
            if not optional:
                self.required.add(variable)
        for kind in TAKEN_IN.findall(text):
            for file in flattened(path, kind):
                self.read(file, flattened)


def flattened(path, kind):
    """The files with a struct that is taken in; those of the same crate are looked for beside `path`."""
    if kind in FLATTENED:
        return [ROOT / it for it in FLATTENED[kind]]
    name = kind.rsplit("::", 1)[-1]
    found = [it for it in path.parent.rglob("*.rs") if re.search(rf"pub struct {name}\b", it.read_text())]
    if len(found) != 1:
        raise SystemExit(f"check-k8s: {path} takes in {kind}, which is in {len(found)} files beside it")
    return found


def flags():
    read = {}
    for service in SERVICES:
        read[service] = Flags()
        read[service].read(ROOT / "services" / service / "src/config.rs", flattened)
        # A pattern that no longer fits the source must not let everything pass.
        for variable in ("LISTEN", "ADMIN_LISTEN", "DRAIN_TIMEOUT"):
            if variable not in read[service].known:
                raise SystemExit(f"check-k8s: {variable} is not found in the configuration of {service}")
    return read


def flush_seconds():
    """How long telemetry may take at the end."""
    found = re.search(r"FLUSH_TIMEOUT: Duration = Duration::from_secs\((\d+)\)", (ROOT / "crates/chassis/src/run.rs").read_text())
    return int(found.group(1))


def arrows():
    """Who may talk to whom, as (caller, callee, port), from the table in ARCHITECTURE.md."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    table = text.split("## Who talks to whom", 1)[1].split("\n## ", 1)[0]
    told = set()
    for line in table.splitlines():
        cells = [it.strip() for it in line.strip().strip("|").split("|")]
        if not line.startswith("| `") or len(cells) != 2:
            continue
        caller = cells[0].strip("`")
        for callee in re.findall(r"`([^`]+)`|([A-Z]\w+)", cells[1]):
            callee = callee[0] or callee[1]
            if caller == "prometheus":
                told.add((caller, callee, ADMIN))
            elif callee in SERVERS:
                told.add((caller, *SERVERS[callee]))
            else:
                told.add((caller, callee, PUBLIC))
    if not told:
        raise SystemExit("check-k8s: ARCHITECTURE.md has no table of who talks to whom")
    return told


def secrets():
    """The keys of each Secret that scripts/k8s-secrets makes."""
    made = subprocess.run([ROOT / "scripts/k8s-secrets"], check=True, capture_output=True, text=True).stdout
    return {it["metadata"]["name"]: set(it["stringData"]) for it in yaml.safe_load_all(made) if it}


def metric_names():
    """The names that services record under."""
    return set(re.findall(r'= "([a-z_]+)";', (ROOT / "crates/telemetry/src/names.rs").read_text()))


def broker_limits():
    return (ROOT / "env/rabbitmq/10-limits.conf").read_text()


def compose_images():
    """The images of docker-compose.yml by their names, with their versions."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (ROOT / "docker-compose.yml").read_text())
    return dict(re.findall(r"^    image: (\S+):([^:\s]+)$", text, re.MULTILINE))


def own_words():
    """What each service's deployment.yaml says for itself."""
    return {it: yaml.safe_load((ROOT / f"deploy/k8s/base/{it}/deployment.yaml").read_text()) for it in SERVICES}
