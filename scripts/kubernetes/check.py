"""Holds the renderings in a directory against Kubernetes' schemas and the rules; called by scripts/check-k8s."""

import sys
from dataclasses import dataclass
from pathlib import Path

import kubernetes_validate
import yaml

import facts as sources
import sabotage
from rules import RULES, Rendering

# The schemas that are held against: the lowest version that has all that is used, and the newest that is known.
VERSIONS = ["1.34", "1.37"]
# Kinds of a cloud's own, which no schema here knows.
FOREIGN_KINDS = {"BackendConfig", "FrontendConfig", "ManagedCertificate"}


@dataclass
class Facts:
    """All that is read from elsewhere in the repository."""

    flags: dict
    flush: int
    arrows: set
    secrets: dict
    metrics: set
    broker_limits: str
    images: dict
    own_words: dict


def schema_findings(objects):
    for it in objects:
        if it["kind"] in FOREIGN_KINDS:
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(it, version, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError, kubernetes_validate.InvalidSchemaError) as error:
                yield f"{it['kind']} {it['metadata']['name']}, Kubernetes {version}: {getattr(error, 'message', error)}"


def findings(shown, facts):
    for rule in RULES:
        yield from rule(shown, facts)


def main():
    rendered = Path(sys.argv[1])
    facts = Facts(
        flags=sources.flags(),
        flush=sources.flush_seconds(),
        arrows=sources.arrows(),
        secrets=sources.secrets(),
        metrics=sources.metric_names(),
        broker_limits=sources.broker_limits(),
        images=sources.compose_images(),
        own_words=sources.own_words(),
    )
    wrong, all_shown = 0, {}
    for path in sorted(rendered.rglob("*.yaml")):
        name = str(path.relative_to(rendered).with_suffix(""))
        shown = Rendering(name, [it for it in yaml.safe_load_all(path.read_text()) if it])
        all_shown[name] = shown
        found = [*schema_findings(shown.objects), *findings(shown, facts)]
        for it in found:
            print(f"{name}: {it}", file=sys.stderr)
        wrong += len(found)
        foreign = sorted({it["kind"] for it in shown.objects} & FOREIGN_KINDS)
        unchecked = f"; no schema here knows {', '.join(foreign)}" if foreign else ""
        print(f"{name}: {len(shown.objects)} objects, {len(found)} findings{unchecked}")
    if not wrong:
        wrong = sabotage.missed(all_shown, lambda shown, changed: [*schema_findings(changed), *findings(shown, facts)])
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
