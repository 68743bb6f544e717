"""Breaks renderings, one thing at a time: whether the rules notice."""

import copy
import sys

from rules import Rendering, pod

# What is broken, in which overlay, how, and what must be said of it.
SABOTAGES = []


def breaks(overlay, notice):
    def declare(how):
        SABOTAGES.append((overlay, how, notice))
        return how

    return declare


def deployment(shown, name="orders"):
    return shown.named("Deployment", name)


def container(shown, name="orders"):
    return pod(deployment(shown, name))["containers"][0]


def variable(shown, service, name):
    return next(it for it in container(shown, service)["env"] if it["name"] == name)


def remove(shown, kind, name):
    shown.objects.remove(shown.named(kind, name))


@breaks("local", "may run as root")
def root(shown):
    pod(deployment(shown))["securityContext"]["runAsNonRoot"] = False


@breaks("local", "has no seccomp profile")
def unconfined(shown):
    pod(deployment(shown))["securityContext"]["seccompProfile"] = {"type": "Unconfined"}


@breaks("aws", "the token of its service account is wrong")
def token(shown):
    pod(deployment(shown))["automountServiceAccountToken"] = True


@breaks("local", "gets variables of every Service")
def links(shown):
    del pod(deployment(shown))["enableServiceLinks"]


@breaks("local", "is not apart from its node")
def host(shown):
    pod(deployment(shown))["hostNetwork"] = True


@breaks("local", "may get privileges")
def privileges(shown):
    container(shown)["securityContext"]["allowPrivilegeEscalation"] = True


@breaks("local", "has capabilities")
def capabilities(shown):
    container(shown)["securityContext"]["capabilities"]["add"] = ["NET_ADMIN"]


@breaks("gcp", "its root file system can be written to")
def writable(shown):
    container(shown)["securityContext"]["readOnlyRootFilesystem"] = False


@breaks("local", "has no memory limit")
def unlimited(shown):
    del container(shown, "redis")["resources"]["limits"]


@breaks("local", "does not request what it needs")
def unrequested(shown):
    del container(shown)["resources"]["requests"]["cpu"]


@breaks("local", "has no startupProbe")
def unprobed(shown):
    del container(shown, "redis")["startupProbe"]


@breaks("aws", "is no fixed version")
def latest(shown):
    container(shown)["image"] = "ghcr.io/OWNER/windtunnel:latest"


@breaks("gcp", "is no fixed version")
def unreleased(shown):
    container(shown)["image"] = "windtunnel:dev"


@breaks("local", "runs ['service', 'payments']")
def another_service(shown):
    container(shown)["args"] = ["service", "payments"]


@breaks("local", "uses POSTGRES, which is not defined before it")
def used_too_soon(shown):
    container(shown)["env"].reverse()


@breaks("canary/aws", "orders does not read ORDERS_TIMEOUT")
def misspelt(shown):
    container(shown, "orders-canary")["env"].append({"name": "ORDERS_TIMEOUT", "value": "1m"})


@breaks("local", "FINGERPRINT_KEY_FILE is missing")
def untold(shown):
    container(shown)["env"].remove(variable(shown, "orders", "FINGERPRINT_KEY_FILE"))


@breaks("local", "CATALOG_ADDR is missing")
def unaddressed(shown):
    container(shown, "search")["env"].remove(variable(shown, "search", "CATALOG_ADDR"))


@breaks("local", "payments is not deployed")
def absent(shown):
    remove(shown, "Deployment", "payments")


@breaks("aws", "resources.limits.memory is not what its deployment.yaml says")
def overruled(shown):
    container(shown, "users")["resources"]["limits"]["memory"] = "96Mi"


@breaks("local", "listens on")
def another_port(shown):
    variable(shown, "orders", "LISTEN")["value"] = "0.0.0.0:8081"


@breaks("local", "its livenessProbe asks")
def liveness_of_others(shown):
    container(shown)["livenessProbe"]["httpGet"]["path"] = "/readyz"


@breaks("local", "is not scraped on its admin port")
def scraped_elsewhere(shown):
    deployment(shown)["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] = "8080"


@breaks("aws", "s to end, and needs")
def drain_cut_short(shown):
    pod(deployment(shown, "gateway"))["terminationGracePeriodSeconds"] = 35


@breaks("local", "before its callers are told")
def no_pause(shown):
    del container(shown)["lifecycle"]


@breaks("local", "has replicas too")
def two_hands(shown):
    deployment(shown, "search")["spec"]["replicas"] = 2


@breaks("local", "there is no Deployment serach")
def no_target(shown):
    shown.named("HorizontalPodAutoscaler", "search")["spec"]["scaleTargetRef"]["name"] = "serach"


@breaks("gcp", "nothing serves the metric")
def unserved(shown):
    metrics = shown.named("HorizontalPodAutoscaler", "search")["spec"]["metrics"]
    next(it for it in metrics if it["type"] == "Pods")["pods"]["metric"]["name"] = "in_flight"


@breaks("local", "no service records")
def unrecorded(shown):
    for it in shown.all("ConfigMap"):
        if "config.yaml" in it["data"]:
            it["data"]["config.yaml"] = it["data"]["config.yaml"].replace("http_server_request_duration", "http_request_duration")


@breaks("local", "search is not scaled")
def unscaled(shown):
    remove(shown, "HorizontalPodAutoscaler", "search")


@breaks("local", "one replica is none")
def alone(shown):
    deployment(shown)["spec"]["replicas"] = 1


@breaks("local", "has no disruption budget of one")
def no_budget(shown):
    shown.named("PodDisruptionBudget", "orders")["spec"]["maxUnavailable"] = 0


@breaks("local", "Service orders: selects nothing")
def selects_nothing(shown):
    shown.named("Service", "orders")["spec"]["selector"]["app.kubernetes.io/name"] = "order"


@breaks("local", "has no port grpc")
def no_port(shown):
    shown.named("Service", "orders")["spec"]["ports"][0]["targetPort"] = "grpc"


@breaks("local", "is no headless Service")
def unbalanced(shown):
    variable(shown, "gateway", "INVENTORY_ADDR")["value"] = "dns://inventory:8080"


@breaks("aws", "nothing is denied by default")
def not_denied(shown):
    remove(shown, "NetworkPolicy", "default-deny")


@breaks("local", "gateway may not talk to search on 8080")
def cut_off(shown):
    rule = shown.named("NetworkPolicy", "gateway")["spec"]["egress"][0]
    rule["to"] = [it for it in rule["to"] if it["podSelector"]["matchLabels"]["app.kubernetes.io/name"] != "search"]


@breaks("local", "inventory does not let gateway in on 8080")
def shut_out(shown):
    remove(shown, "NetworkPolicy", "inventory")


@breaks("local", "payments may talk to users on 8080")
def a_way_out_more(shown):
    extra = copy.deepcopy(shown.named("NetworkPolicy", "catalog"))
    extra["spec"].update(podSelector={"matchLabels": {"app.kubernetes.io/name": "payments"}}, policyTypes=["Egress"])
    shown.objects.append(extra)


@breaks("gcp", "users lets orders in on 9000")
def a_way_in_more(shown):
    shown.named("NetworkPolicy", "users")["spec"]["ingress"][0]["ports"].append({"port": 9000})


@breaks("local", "gateway lets outside in on 8080")
def open_without_a_balancer(shown):
    shown.objects.append(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "open", "namespace": "windtunnel"},
            "spec": {
                "podSelector": {"matchLabels": {"app.kubernetes.io/name": "gateway"}},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 8080}]}],
            },
        }
    )


@breaks("local", "nothing makes signing-key of the Secret users")
def no_such_key(shown):
    variable(shown, "users", "PGPASSWORD")["valueFrom"]["secretKeyRef"]["key"] = "signing-key"


@breaks("aws", "reads a secret of payments")
def the_card_key_elsewhere(shown):
    sources = pod(deployment(shown))["volumes"][0]["projected"]["sources"]
    sources.append({"secret": {"name": "payments", "items": [{"key": "card-key.pem", "path": "card-key.pem"}]}})


@breaks("local", "takes all of the Secret users")
def all_keys(shown):
    sources = pod(deployment(shown, "users"))["volumes"][0]["projected"]["sources"]
    del next(it for it in sources if it["secret"]["name"] == "users")["secret"]["items"]


@breaks("local", "nobody reads signing-key.pem")
def unread(shown):
    sources = pod(deployment(shown, "users"))["volumes"][0]["projected"]["sources"]
    items = next(it for it in sources if it["secret"]["name"] == "users")["secret"]["items"]
    items[:] = [it for it in items if it["key"] != "signing-key.pem"]


@breaks("local", "a secret is among the manifests")
def in_the_open(shown):
    shown.objects.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users", "namespace": "windtunnel"}})


@breaks("aws", "there is no postgres of ConfigMap")
def no_such_entry(shown):
    next(it for it in shown.all("ConfigMap") if "postgres" in it["data"])["data"].pop("postgres")


@breaks("local", "mounts")
def unmounted(shown):
    container(shown)["volumeMounts"] = []


@breaks("local", "there is no ConfigMap")
def no_rules(shown):
    shown.objects[:] = [it for it in shown.objects if not it["metadata"]["name"].startswith("prometheus-rules")]


@breaks("local", "there is no ServiceAccount orders")
def no_account(shown):
    remove(shown, "ServiceAccount", "orders")


@breaks("local", "is in default")
def elsewhere(shown):
    shown.named("Service", "postgres")["metadata"]["namespace"] = "default"


@breaks("local", "pods may be baseline")
def lax(shown):
    shown.named("Namespace", "windtunnel")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "baseline"


@breaks("canary/gcp", "selects pods of another track")
def mixed(shown):
    deployment(shown, "orders-canary")["spec"]["selector"]["matchLabels"]["track"] = "stable"


@breaks("canary/local", "has 4 replicas")
def no_canary_but_a_release(shown):
    deployment(shown, "orders-canary")["spec"]["replicas"] = 4


@breaks("aws", "leaves canaries out")
def no_requests_for_canaries(shown):
    shown.named("Service", "search-replicas")["spec"]["selector"]["track"] = "stable"


@breaks("canary/aws", "would be taken away with them")
def takes_more_away(shown):
    shown.objects.append(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "orders", "namespace": "windtunnel"}}
    )


@breaks("gcp", "closes connections that the load balancer keeps")
def closes_first(shown):
    variable(shown, "gateway", "IDLE_TIMEOUT")["value"] = "75s"


@breaks("gcp", "from the end of X-Forwarded-For")
def takes_google_for_the_client(shown):
    container(shown, "gateway")["env"].remove(variable(shown, "gateway", "FORWARDED_FOR_PROXIES"))


@breaks("aws", "takes all clients for the load balancer")
def takes_the_balancer_for_the_client(shown):
    container(shown, "gateway")["env"].remove(variable(shown, "gateway", "TRUST_FORWARDED_FOR"))


@breaks("aws", "for health")
def asks_the_public_port(shown):
    shown.named("Ingress", "gateway")["metadata"]["annotations"]["alb.ingress.kubernetes.io/healthcheck-port"] = "traffic-port"


@breaks("gcp", "while the load balancer sends for")
def stops_first(shown):
    container(shown, "gateway")["lifecycle"]["preStop"]["sleep"]["seconds"] = 10


@breaks("gcp", "the load balancer is not let in")
def balancer_shut_out(shown):
    remove(shown, "NetworkPolicy", "load-balancer")


@breaks("local", "RabbitMQ's limits differ")
def other_limits(shown):
    shown.named("ConfigMap", "rabbitmq")["data"]["10-limits.conf"] = "disk_free_limit.absolute = 1MB\n"


@breaks("local", "in docker-compose.yml")
def another_server(shown):
    it = pod(shown.named("StatefulSet", "postgres"))["containers"][0]
    it["image"] = "postgres:17.2"


@breaks("local", "Kubernetes 1.34: ")
def unknown_field(shown):
    shown.named("HorizontalPodAutoscaler", "search")["spec"]["behavior"]["scaleDown"]["stabilizationWindow"] = 60


def missed(all_shown, find):
    """How many breaks nobody noticed, or noticed for another reason; each is said. `find` is also told what has changed."""
    unnoticed = 0
    for overlay, how, notice in SABOTAGES:
        whole = all_shown[overlay].objects
        broken = Rendering(overlay, copy.deepcopy(whole))
        how(broken)
        found = list(find(broken, [it for it in broken.objects if it not in whole]))
        if not any(notice in it for it in found):
            print(f"MISSED: {how.__name__} in {overlay}: expected {notice!r}, found {found}", file=sys.stderr)
            unnoticed += 1
    print(f"{len(SABOTAGES) - unnoticed} of {len(SABOTAGES)} sabotaged renderings are noticed")
    return unnoticed
