"""OpenAPI documents, of the HTTP API and of events, by oasdiff; protobuf by buf."""

import json
import os
import subprocess
from pathlib import Path

from finding import Finding

CONTRACTS = "crates/api/contracts"
PROTO = "crates/api/proto"


def tool(name):
    return str(Path(os.environ["TOOLS"]) / name)


def documents(name, base, head):
    """What oasdiff calls an error or a warning. A warning of it is an error here: an optional field that is gone is gone."""
    before, after = (it / CONTRACTS / f"{name}.json" for it in (base, head))
    if not before.exists():
        raise FileNotFoundError(f"the base has no {CONTRACTS}/{name}.json")
    command = [tool("oasdiff"), "breaking", before, after, "--format", "json"]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"oasdiff: {ran.stderr.strip()}")
    for it in json.loads(ran.stdout or "[]"):
        where = f"{it.get('operation', '')} {it.get('path', '')}".strip() or "components"
        yield Finding(name, where, it["id"], it["text"])


def openapi(base, head):
    yield from documents("openapi", base, head)


def events(base, head):
    yield from documents("events", base, head)


def protobuf(base, head):
    """By buf's strictest rules. A field that is gone is a default to who still reads it, even if its number is reserved."""
    config = json.dumps({"version": "v2", "breaking": {"use": ["FILE"]}})
    command = [tool("buf"), "breaking", head / PROTO, "--against", base / PROTO, "--config", config, "--against-config", config, "--error-format", "json"]
    ran = subprocess.run(command, capture_output=True, text=True)
    # 100: there are some.
    if ran.returncode not in (0, 100):
        raise RuntimeError(f"buf: {ran.stderr.strip()}")
    for line in ran.stdout.splitlines():
        it = json.loads(line)
        yield Finding("protobuf", Path(it.get("path", PROTO)).name, it["type"], it["message"])
