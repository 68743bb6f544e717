"""What must hold of a rendering. Each rule is a function of the rendering and the facts, and yields what is wrong."""

import re

from facts import ADMIN, FOREIGN_VARIABLES, PUBLIC, SERVERS, SERVICES

NAMESPACE = "windtunnel"
# Whose root file system is not read-only, and why.
WRITABLE = {"elasticsearch": "its scripts write a keystore and logs beside the program"}
# Who has a token for the API server, and why.
TOKENS = {"prometheus": "it lists pods", "prometheus-adapter": "it lists pods and asks whether callers may"}
# What may be seen by others than the service that is named.
SHARED_SECRETS = {"broker"}
# Besides requests, background work has this long too (crates/chassis/src/run.rs), and there is time to spare.
SPARE_SECONDS = 2


class Rendering:
    """The objects of one overlay."""

    def __init__(self, name, objects):
        self.name, self.objects = name, objects

    @property
    def canary(self):
        return self.name.startswith("canary/")

    def all(self, *kinds):
        return [it for it in self.objects if it["kind"] in kinds]

    def named(self, kind, name):
        return next((it for it in self.all(kind) if it["metadata"]["name"] == name), None)

    def workloads(self):
        return self.all("Deployment", "StatefulSet", "Job", "DaemonSet", "CronJob")

    def services(self):
        """The shop's own Deployments, each with the service that it runs."""
        for it in self.all("Deployment"):
            name = labels(it).get("app.kubernetes.io/name")
            if name in SERVICES:
                yield name, it


def label(it):
    return f"{it['kind']} {it['metadata']['name']}"


def template(it):
    return it["spec"]["template"]


def labels(it):
    return template(it)["metadata"]["labels"]


def pod(it):
    return template(it)["spec"]


def containers(it):
    return pod(it).get("initContainers", []) + pod(it)["containers"]


def variables(container):
    return {it["name"]: it.get("value", "") for it in container.get("env", [])}


def selects(selector, them):
    """Whether a label selector selects a pod with these labels."""
    if any(them.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for it in selector.get("matchExpressions", []):
        if it["operator"] != "In":
            raise SystemExit(f"check-k8s: selectors with {it['operator']} are not understood")
        if them.get(it["key"]) not in it["values"]:
            return False
    return True


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(s|m|ms)", text).groups()
    return int(number) * {"s": 1, "m": 60, "ms": 0.001}[unit]


def pods_are_restricted(shown, facts):
    for it in shown.workloads():
        spec, name = pod(it), label(it)
        context = spec.get("securityContext", {})
        if not context.get("runAsNonRoot") or not context.get("runAsUser"):
            yield f"{name}: may run as root"
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{name}: has no seccomp profile"
        if spec.get("automountServiceAccountToken") is not (it["metadata"]["name"] in TOKENS):
            yield f"{name}: the token of its service account is wrong"
        if spec.get("enableServiceLinks") is not False:
            yield f"{name}: gets variables of every Service"
        if any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")) or any("hostPath" in it for it in spec.get("volumes", [])):
            yield f"{name}: is not apart from its node"


def containers_are_bounded(shown, facts):
    for it in shown.workloads():
        for container in containers(it):
            name = f"{label(it)}, container {container['name']}"
            context, resources = container.get("securityContext", {}), container.get("resources", {})
            if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
                yield f"{name}: may get privileges"
            if context.get("capabilities") != {"drop": ["ALL"]}:
                yield f"{name}: has capabilities"
            if context.get("readOnlyRootFilesystem") is not (container["name"] not in WRITABLE):
                yield f"{name}: its root file system can be written to"
            if "memory" not in resources.get("limits", {}):
                yield f"{name}: has no memory limit"
            if not {"cpu", "memory"} <= resources.get("requests", {}).keys():
                yield f"{name}: does not request what it needs"
            if container in pod(it)["containers"]:
                for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                    if probe not in container:
                        yield f"{name}: has no {probe}"
            tag = container["image"].partition("@")[0].rpartition("/")[2].partition(":")[2]
            ours = container["image"] == "windtunnel:dev" and shown.name.endswith("local")
            if not ours and not re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-[a-z]+)?", tag):
                yield f"{name}: {container['image']} is no fixed version"


def services_get_what_they_read(shown, facts):
    found = set()
    for service, it in shown.services():
        found.add(service)
        container = pod(it)["containers"][0]
        name, known = label(it), facts.flags[service]
        if container.get("args") != ["service", service]:
            yield f"{name}: runs {container.get('args')}"
        told, defined = variables(container), set()
        helpers = set(re.findall(r"\$\((\w+)\)", " ".join(told.values())))
        for variable, value in told.items():
            for used in re.findall(r"\$\((\w+)\)", value):
                if used not in defined:
                    yield f"{name}: {variable} uses {used}, which is not defined before it"
            defined.add(variable)
            if variable not in known.known | helpers and not FOREIGN_VARIABLES.fullmatch(variable):
                yield f"{name}: {service} does not read {variable}"
        # An address has a default, but one of this machine.
        needed = known.required | {it for it in known.known if it.endswith(("_ADDR", "_URL"))}
        for variable in sorted(needed - told.keys()):
            yield f"{name}: {variable} is missing"
    for service in sorted(set(SERVICES) - found):
        yield f"{service} is not deployed"


def lost(said, shown, path=""):
    """The paths of what is said and shown otherwise, or not at all. Items of lists are compared by name where they have one."""
    if isinstance(said, dict) and isinstance(shown, dict):
        for key, value in said.items():
            yield from lost(value, shown.get(key), f"{path}.{key}")
    elif isinstance(said, list) and isinstance(shown, list) and said and isinstance(said[0], dict) and "name" in said[0]:
        there = {it.get("name"): it for it in shown}
        for it in said:
            yield from lost(it, there.get(it["name"]), f"{path}[{it['name']}]")
    elif said != shown:
        yield path.lstrip(".")


def what_a_service_says_for_itself_counts(shown, facts):
    """A patch for all of them must not take it away."""
    if shown.canary:
        return
    for service, it in shown.services():
        for path in lost(facts.own_words[service]["spec"]["template"]["spec"]["containers"], pod(it)["containers"], "containers"):
            # The ConfigMap has its hash.
            if not path.endswith("configMapKeyRef.name"):
                yield f"{label(it)}: {path} is not what its deployment.yaml says"


def ports_are_those_listened_on(shown, facts):
    for _, it in shown.services():
        container, name = pod(it)["containers"][0], label(it)
        told = variables(container)
        ports = {it["name"]: it["containerPort"] for it in container["ports"]}
        wanted = {"http": PUBLIC, "admin": ADMIN}
        listened = {key: int(told[variable].rpartition(":")[2]) for key, variable in (("http", "LISTEN"), ("admin", "ADMIN_LISTEN"))}
        if not ports == listened == wanted:
            yield f"{name}: listens on {listened}, and says {ports}"
        for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            asked = container.get(probe, {}).get("httpGet", {})
            if (asked.get("path"), asked.get("port")) != (path, "admin"):
                yield f"{name}: its {probe} asks {asked}"
        if template(it)["metadata"].get("annotations", {}).get("prometheus.io/port") != str(ADMIN):
            yield f"{name}: is not scraped on its admin port"


def drains_fit_the_grace(shown, facts):
    for _, it in shown.services():
        container = pod(it)["containers"][0]
        sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        drain = seconds(variables(container).get("DRAIN_TIMEOUT", "10s"))
        needed = sleep + 2 * drain + facts.flush + SPARE_SECONDS
        if sleep < 5:
            yield f"{label(it)}: is told to stop before its callers are told that it stops"
        if pod(it)["terminationGracePeriodSeconds"] < needed:
            yield f"{label(it)}: has {pod(it)['terminationGracePeriodSeconds']} s to end, and needs {needed:.0f} s"


def scaling_is_one_hands_work(shown, facts):
    scaled = set()
    for it in shown.all("HorizontalPodAutoscaler"):
        target = it["spec"]["scaleTargetRef"]
        scaled.add(target["name"])
        deployment = shown.named(target["kind"], target["name"])
        if deployment is None:
            yield f"{label(it)}: there is no {target['kind']} {target['name']}"
        elif "replicas" in deployment["spec"]:
            yield f"{label(it)}: {label(deployment)} has replicas too, which every apply would reset"
        if not 2 <= it["spec"]["minReplicas"] < it["spec"]["maxReplicas"]:
            yield f"{label(it)}: from {it['spec']['minReplicas']} to {it['spec']['maxReplicas']} replicas"
        for metric in it["spec"]["metrics"]:
            name = metric.get("pods", {}).get("metric", {}).get("name")
            if name and name not in served_metrics(shown):
                yield f"{label(it)}: nothing serves the metric {name}"
    if shown.canary:
        return
    for wanted in ("gateway", "search"):
        if wanted not in scaled:
            yield f"{wanted} is not scaled"
    for name, it in shown.services():
        if name not in scaled and it["spec"].get("replicas", 0) < 2:
            yield f"{label(it)}: one replica is none while it is replaced"
        budgets = [b for b in shown.all("PodDisruptionBudget") if selects(b["spec"]["selector"], labels(it))]
        if [b["spec"].get("maxUnavailable") for b in budgets] != [1]:
            yield f"{label(it)}: has no disruption budget of one"


def served_metrics(shown):
    served = set()
    for it in shown.all("ConfigMap"):
        for rule in re.findall(r"name: \{as: (\w+)\}", it.get("data", {}).get("config.yaml", "")):
            served.add(rule)
    return served


def metrics_are_recorded(shown, facts):
    for it in shown.all("ConfigMap"):
        for series in re.findall(r"seriesQuery: ([a-z_]+)", it.get("data", {}).get("config.yaml", "")):
            if re.sub(r"_(sum|count|bucket)$", "", series) not in facts.metrics:
                yield f"{label(it)}: no service records {series}"


def services_lead_to_pods(shown, facts):
    for it in shown.all("Service"):
        chosen = [w for w in shown.workloads() if selects({"matchLabels": it["spec"]["selector"]}, labels(w))]
        if not chosen:
            yield f"{label(it)}: selects nothing"
        for workload in chosen:
            known = {p["name"]: p["containerPort"] for c in containers(workload) for p in c.get("ports", [])}
            for port in it["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                if target not in known and target not in known.values():
                    yield f"{label(it)}: {label(workload)} has no port {target}"
    if shown.canary:
        return
    for _, it in shown.services():
        for variable, value in variables(pod(it)["containers"][0]).items():
            if not value.startswith("dns://"):
                continue
            host, port = value.removeprefix("dns://").split(":")
            service = shown.named("Service", host)
            if service is None or service["spec"].get("clusterIP") != "None":
                yield f"{label(it)}: {variable} is no headless Service, so requests would not be balanced"
            elif int(port) not in [p["port"] for p in service["spec"]["ports"]]:
                yield f"{label(it)}: {variable} has another port than {label(service)}"


def peers(shown, places):
    """The workloads that a policy names, as their names; addresses outside the cluster as `outside`, and everybody as `anybody`."""
    found = set()
    for place in places:
        if "ipBlock" in place:
            found.add("outside")
        elif "namespaceSelector" in place and place["namespaceSelector"].get("matchLabels", {}).get("kubernetes.io/metadata.name") != NAMESPACE:
            found.add("outside " + "".join(place.get("podSelector", {}).get("matchLabels", {}).values()))
        else:
            found |= {labels(w)["app.kubernetes.io/name"] for w in shown.workloads() if selects(place["podSelector"], labels(w))}
    return found


def ways(shown, direction):
    """What policies let through: (pod, peer, port)."""
    side = {"ingress": "from", "egress": "to"}[direction]
    for policy in shown.all("NetworkPolicy"):
        if direction.capitalize() not in policy["spec"]["policyTypes"]:
            continue
        own = peers(shown, [{"podSelector": policy["spec"]["podSelector"]}])
        for rule in policy["spec"].get(direction, []):
            them = peers(shown, rule[side]) if side in rule else {"anybody"}
            for port in rule.get("ports", [{"port": "any"}]):
                yield from ((me, peer, port["port"]) for me in own for peer in them)


def only_told_ways_are_open(shown, facts):
    if shown.canary:
        return
    denied = [p["spec"] for p in shown.all("NetworkPolicy")]
    if {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} not in denied:
        yield "nothing is denied by default"
    managed = not shown.named("StatefulSet", "postgres")
    servers = {name for name, _ in SERVERS.values()}
    outgoing, incoming = set(ways(shown, "egress")), set(ways(shown, "ingress"))
    for caller, callee, port in sorted(facts.arrows):
        away = managed and (callee in servers)
        expected_out = {(caller, callee, port)} if not away else {(caller, "outside", port), (caller, f"outside {callee}", port)}
        watched = managed and caller == "prometheus"
        expected_in = {(callee, caller, port)} if not watched else {(callee, "outside prometheus", port)}
        if not watched and not expected_out & outgoing:
            yield f"{caller} may not talk to {callee} on {port}, which ARCHITECTURE.md says it does"
        if not away and not expected_in & incoming:
            yield f"{callee} does not let {caller} in on {port}, which ARCHITECTURE.md says it does"
        outgoing -= expected_out
        incoming -= expected_in
    for me, peer, port in sorted(outgoing, key=str):
        if port == 53 or (me in TOKENS and peer == "anybody" and port in (443, 6443)):
            continue
        yield f"{me} may talk to {peer} on {port}, which ARCHITECTURE.md does not say"
    for me, peer, port in sorted(incoming, key=str):
        behind_balancer = me == "gateway" and peer == "outside" and port in (PUBLIC, ADMIN) and shown.all("Ingress")
        asked_by_api_server = me == "prometheus-adapter" and peer == "anybody" and port == 6443
        if not behind_balancer and not asked_by_api_server:
            yield f"{me} lets {peer} in on {port}, which ARCHITECTURE.md does not say"


def secret_keys(it):
    """Each (Secret, key) that a workload refers to; `*` for all keys."""
    for container in containers(it):
        for variable in container.get("env", []):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                yield reference["name"], reference["key"]
        for source in container.get("envFrom", []):
            if "secretRef" in source:
                yield source["secretRef"]["name"], "*"
    for volume in pod(it).get("volumes", []):
        if "secret" in volume:
            yield volume["secret"]["secretName"], "*"
        for source in volume.get("projected", {}).get("sources", []):
            if "secret" in source:
                for item in source["secret"].get("items", [{"key": "*"}]):
                    yield source["secret"]["name"], item["key"]


def secrets_are_their_owners(shown, facts):
    used = set()
    for it in shown.workloads():
        own = labels(it)["app.kubernetes.io/name"]
        for secret, key in secret_keys(it):
            used |= {(secret, it) for it in (facts.secrets.get(secret, set()) if key == "*" else {key})}
            if secret not in facts.secrets or (key != "*" and key not in facts.secrets[secret]):
                yield f"{label(it)}: nothing makes {key} of the Secret {secret}"
            if secret != own and secret not in SHARED_SECRETS:
                yield f"{label(it)}: reads a secret of {secret}"
            if key == "*" and own in SERVICES:
                yield f"{label(it)}: takes all of the Secret {secret}, and not what it needs of it"
    if shown.all("Secret"):
        yield "a secret is among the manifests"
    beside = {} if shown.named("StatefulSet", "postgres") else {"postgres", "rabbitmq"}
    for secret, keys in facts.secrets.items():
        for key in sorted(keys):
            if (secret, key) not in used and secret not in beside:
                yield f"nobody reads {key} of the Secret {secret}"


def references_exist(shown, facts):
    for it in shown.workloads():
        for container in containers(it):
            for variable in container.get("env", []):
                reference = variable.get("valueFrom", {}).get("configMapKeyRef")
                if reference:
                    map_ = shown.named("ConfigMap", reference["name"])
                    if map_ is None or reference["key"] not in map_["data"]:
                        yield f"{label(it)}: there is no {reference['key']} of ConfigMap {reference['name']}"
            mounted = {m["name"] for m in container.get("volumeMounts", [])}
            there = {v["name"] for v in pod(it).get("volumes", [])} | {v["metadata"]["name"] for v in it["spec"].get("volumeClaimTemplates", [])}
            if mounted != there:
                yield f"{label(it)}: mounts {sorted(mounted)} of {sorted(there)}"
        for volume in pod(it).get("volumes", []):
            sources = volume.get("projected", {}).get("sources", [volume])
            for name in (s["configMap"]["name"] for s in sources if "configMap" in s):
                if shown.named("ConfigMap", name) is None:
                    yield f"{label(it)}: there is no ConfigMap {name}"
        account = pod(it).get("serviceAccountName")
        if account and not shown.canary and shown.named("ServiceAccount", account) is None:
            yield f"{label(it)}: there is no ServiceAccount {account}"


def the_namespace_is_restricted(shown, facts):
    for it in shown.objects:
        where = it["metadata"].get("namespace")
        if where not in (None, NAMESPACE) and (where, it["kind"]) != ("kube-system", "RoleBinding"):
            yield f"{label(it)}: is in {where}"
    if shown.canary:
        return
    enforced = shown.named("Namespace", NAMESPACE)["metadata"]["labels"].get("pod-security.kubernetes.io/enforce")
    if enforced != "restricted":
        yield f"pods may be {enforced}"


def canaries_are_apart(shown, facts):
    for _, it in shown.services():
        track, name = labels(it).get("track"), label(it)
        if it["spec"]["selector"]["matchLabels"].get("track") != track:
            yield f"{name}: selects pods of another track"
        if track != ("canary" if shown.canary else "stable"):
            yield f"{name}: is {track}"
        if shown.canary and it["spec"].get("replicas") != 1:
            yield f"{name}: has {it['spec'].get('replicas')} replicas"
    for it in shown.all("Service", "PodDisruptionBudget"):
        selector = it["spec"]["selector"]
        if "track" in selector.get("matchLabels", selector):
            yield f"{label(it)}: leaves canaries out"
    if shown.canary:
        for it in shown.objects:
            if not it["metadata"]["name"].startswith(tuple(f"{s}-canary" for s in [*SERVICES, "servers"])):
                yield f"{label(it)}: is no canary, and would be taken away with them"


def load_balancers_let_go_first(shown, facts):
    ingress = shown.named("Ingress", "gateway")
    if ingress is None:
        return
    said = ingress["metadata"]["annotations"]
    gateway = pod(shown.named("Deployment", "gateway"))["containers"][0]
    told = variables(gateway)
    if told.get("TRUST_FORWARDED_FOR") != "true":
        yield "the gateway takes all clients for the load balancer"
    sleep = gateway["lifecycle"]["preStop"]["sleep"]["seconds"]
    if "alb.ingress.kubernetes.io/scheme" in said:
        attributes = said["alb.ingress.kubernetes.io/load-balancer-attributes"] + "," + said["alb.ingress.kubernetes.io/target-group-attributes"]
        number = lambda key: int(re.search(rf"{key}=(\d+)", attributes).group(1))
        idle, gone = number("idle_timeout.timeout_seconds"), number("deregistration_delay.timeout_seconds")
        asked = said.get("alb.ingress.kubernetes.io/healthcheck-port"), said.get("alb.ingress.kubernetes.io/healthcheck-path")
        proxies = "1"
    else:
        backend = shown.named("BackendConfig", "gateway")["spec"]
        # Google's front ends keep connections for 600 s, which cannot be changed.
        idle, gone, proxies = 600, backend["connectionDraining"]["drainingTimeoutSec"], "2"
        asked = str(backend["healthCheck"]["port"]), backend["healthCheck"]["requestPath"]
    if seconds(told.get("IDLE_TIMEOUT", "10s")) <= idle:
        yield f"the gateway closes connections that the load balancer keeps for {idle} s"
    if told.get("FORWARDED_FOR_PROXIES", "1") != proxies:
        yield f"the client is not at place {proxies} from the end of X-Forwarded-For"
    if asked != (str(ADMIN), "/readyz"):
        yield f"the load balancer asks {asked} for health"
    if sleep <= gone:
        yield f"the gateway stops after {sleep} s, while the load balancer sends for {gone} s"
    if ("gateway", "outside", PUBLIC) not in set(ways(shown, "ingress")):
        yield "the load balancer is not let in"


def servers_are_as_in_containers(shown, facts):
    limits = shown.named("ConfigMap", "rabbitmq")
    if limits and limits["data"]["10-limits.conf"] != facts.broker_limits:
        yield "RabbitMQ's limits differ from env/rabbitmq/10-limits.conf"
    for it in shown.workloads():
        for container in containers(it):
            image, _, version = container["image"].rpartition(":")
            if facts.images.get(image, version) != version:
                yield f"{label(it)}: {image} is {version}, and {facts.images[image]} in docker-compose.yml"


RULES = [
    pods_are_restricted,
    containers_are_bounded,
    services_get_what_they_read,
    what_a_service_says_for_itself_counts,
    ports_are_those_listened_on,
    drains_fit_the_grace,
    scaling_is_one_hands_work,
    metrics_are_recorded,
    services_lead_to_pods,
    only_told_ways_are_open,
    secrets_are_their_owners,
    references_exist,
    the_namespace_is_restricted,
    canaries_are_apart,
    load_balancers_let_go_first,
    servers_are_as_in_containers,
]
