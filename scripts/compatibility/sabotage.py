"""Changes contracts, one thing at a time: whether what breaks is noticed, and what does not break is let pass."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from finding import objection
from interfaces import CONTRACTS, PROTO

# What is changed in which contract, how, and the rule that must notice; none, if it breaks nobody.
CHANGES = []


def change(contract, rule=None):
    def declare(how):
        CHANGES.append((contract, how, rule))
        return how

    return declare


def document(name):
    """Has a function change a document in a tree."""

    def wrap(how):
        def changed(tree):
            path = tree / CONTRACTS / f"{name}.json"
            it = json.loads(path.read_text())
            how(it)
            path.write_text(json.dumps(it))

        changed.__name__ = how.__name__
        return changed

    return wrap


def schema(it, name):
    return it["components"]["schemas"][name]


@change("openapi", "response-required-property-removed")
@document("openapi")
def field_removed(it):
    del schema(it, "Order")["properties"]["total_cents"]
    schema(it, "Order")["required"].remove("total_cents")


@change("openapi", "response-property-type-changed")
@document("openapi")
def type_changed(it):
    schema(it, "Order")["properties"]["total_cents"] = {"type": "string"}


@change("openapi", "new-required-request-property")
@document("openapi")
def required_field_of_a_request_added(it):
    schema(it, "NewOrder")["properties"]["channel"] = {"type": "string"}
    schema(it, "NewOrder")["required"].append("channel")


@change("openapi", "request-property-max-decreased")
@document("openapi")
def request_narrowed(it):
    schema(it, "NewItem")["properties"]["quantity"]["maximum"] = 10


@change("openapi", "request-property-removed")
@document("openapi")
def optional_field_of_a_request_removed(it):
    del schema(it, "ProductChange")["properties"]["category"]


@change("openapi", "response-property-enum-value-added")
@document("openapi")
def status_added(it):
    schema(it, "OrderStatus")["enum"].append("shipped")


@change("openapi", "api-path-removed-without-deprecation")
@document("openapi")
def route_removed(it):
    del it["paths"]["/users/me"]


@change("openapi", "new-required-request-parameter")
@document("openapi")
def required_parameter_added(it):
    it["paths"]["/search"]["get"]["parameters"].append({"name": "shop", "in": "query", "required": True, "schema": {"type": "string"}})


@change("openapi")
@document("openapi")
def field_of_an_answer_added(it):
    schema(it, "Order")["properties"]["channel"] = {"type": "string"}
    schema(it, "Order")["required"].append("channel")


@change("openapi")
@document("openapi")
def optional_field_of_a_request_added(it):
    schema(it, "NewOrder")["properties"]["channel"] = {"type": "string"}


@change("openapi")
@document("openapi")
def route_added(it):
    it["paths"]["/returns"] = it["paths"]["/users/me"]


def event(it, kind):
    return it["paths"][f"/{kind}"]["post"]


@change("events", "response-required-property-removed")
@document("events")
def event_field_removed(it):
    del schema(it, "PlacedOrder")["properties"]["card"]
    schema(it, "PlacedOrder")["required"].remove("card")


@change("events", "new-required-request-property")
@document("events")
def event_field_renamed(it):
    order = schema(it, "PlacedOrder")
    order["properties"]["total"] = order["properties"].pop("total_cents")
    order["required"][order["required"].index("total_cents")] = "total"


@change("events", "new-required-request-property")
@document("events")
def event_field_added_without_a_default(it):
    schema(it, "PlacedOrder")["properties"]["channel"] = {"type": "string"}
    schema(it, "PlacedOrder")["required"].append("channel")


@change("events", "response-property-became-optional")
@document("events")
def event_field_no_longer_written(it):
    schema(it, "PlacedOrder")["required"].remove("card")


@change("events", "request-property-type-changed")
@document("events")
def event_field_of_another_type(it):
    schema(it, "PlacedOrder")["properties"]["total_cents"] = {"type": "string"}


@change("events", "request-property-enum-value-removed")
@document("events")
def reason_no_longer_read(it):
    schema(it, "CancelReason")["enum"].remove("timed_out")


@change("events", "response-property-enum-value-added")
@document("events")
def reason_that_nobody_knows(it):
    schema(it, "CancelReason")["enum"].append("fraud")


@change("events", "api-path-removed-without-deprecation")
@document("events")
def event_renamed(it):
    it["paths"]["/order.made"] = it["paths"].pop("/order.placed")


@change("events")
@document("events")
def event_field_added(it):
    schema(it, "PlacedOrder")["properties"]["channel"] = {"type": "string"}


@change("events")
@document("events")
def event_added(it):
    it["paths"]["/order.returned"] = it["paths"]["/order.confirmed"]


def rewrite(file, old, new):
    """Has a text in a file be another."""

    def changed(tree):
        path = tree / file
        text = path.read_text()
        if old not in text:
            raise LookupError(f"{old!r} is not in {file}")
        path.write_text(text.replace(old, new, 1))

    return changed


def text_changes():
    catalog = f"{PROTO}/catalog.proto"
    price = "int64 price_cents = 4;"
    for name, rule, new in [
        ("proto_field_renumbered", "FIELD_NO_DELETE", "int64 price_cents = 5;"),
        ("proto_field_removed", "FIELD_NO_DELETE", 'reserved 4;\n  reserved "price_cents";'),
        ("proto_type_changed", "FIELD_SAME_TYPE", "string price_cents = 4;"),
        ("proto_field_added", None, f"{price}\n  string brand = 5;"),
    ]:
        yield "protobuf", name, rule, rewrite(catalog, price, new)
    method = "rpc GetProducts("
    yield "protobuf", "method_renamed", "RPC_NO_DELETE", rewrite(catalog, method, "rpc ListProducts(")
    added = f"rpc GetBrands(GetProductsRequest) returns (GetProductsResponse);\n  {method}"
    yield "protobuf", "method_added", None, rewrite(catalog, method, added)
    file = "services/users/migrations/{}/1_users.sql"
    for kind in ("sqlite", "postgres"):
        changed = rewrite(file.format(kind), "email TEXT NOT NULL,", "email TEXT,")
        yield "migrations", f"released_{kind}_migration_changed", "released-migration-changed", changed


def migrate(*statements):
    """Has both kinds of database of users have a new migration."""

    def changed(tree):
        for kind in ("sqlite", "postgres"):
            (tree / f"services/users/migrations/{kind}/900_planted.sql").write_text("\n".join([*statements, ""]))

    return changed


def migration_changes():
    """New migrations, with what SQLite's tables tell of them, and Squawk. Those that are no SQL of SQLite are not tried there."""
    lock = "SET LOCAL lock_timeout = '2s';"
    add = "ALTER TABLE users ADD COLUMN note"
    for name, statement, by_effect, by_reading in [
        ("column_dropped", "ALTER TABLE users DROP COLUMN role;", "column-dropped", "ban-drop-column"),
        ("column_renamed", "ALTER TABLE users RENAME COLUMN role TO kind;", "column-dropped", "renaming-column"),
        ("table_dropped", "DROP TABLE users;", "table-dropped", "ban-drop-table"),
        ("table_renamed", "ALTER TABLE users RENAME TO accounts;", "table-dropped", "renaming-table"),
        ("column_made_unique", "CREATE UNIQUE INDEX one ON users (role);", "unique-added", "narrows"),
        ("required_column_added", f"{add} TEXT NOT NULL;", "required-column-added", "adding-required-field"),
        ("column_type_changed", "ALTER TABLE users ALTER COLUMN role TYPE VARCHAR(5);", None, "changing-column-type"),
        ("column_required", "ALTER TABLE users ALTER COLUMN role SET NOT NULL;", None, "adding-not-nullable-field"),
        ("check_added", "ALTER TABLE users ADD CONSTRAINT c CHECK (role <> 'guest') NOT VALID;", None, "narrows"),
        ("column_added", f"{add} TEXT;", "", ""),
        ("column_with_a_default_added", f"{add} TEXT NOT NULL DEFAULT '';", "", ""),
        ("table_added", "CREATE TABLE notes (id TEXT PRIMARY KEY, body TEXT NOT NULL);", "", ""),
    ]:
        if by_effect is not None:
            yield "migrations", name, by_effect or None, migrate(statement)
        yield "postgres", name, by_reading or None, migrate(lock, statement)
    yield "postgres", "lock_without_a_limit", "require-lock-timeout", migrate(f"{add} TEXT;")
    yield "migrations", "no_sql", "migration-fails", migrate("ALTER TABLE users ADD;")
    # What SQLite cannot do to a column is done by making the table anew.
    anew = "CREATE TABLE copy (id TEXT PRIMARY KEY, email TEXT NOT NULL, email_key TEXT NOT NULL UNIQUE, password_hash {}, role TEXT NOT NULL{});"
    swap = "DROP TABLE users; ALTER TABLE copy RENAME TO users;"
    yield "migrations", "column_type_changed", "column-type-changed", migrate(anew.format("BLOB NOT NULL", ""), swap)
    checked = " CHECK (role IN ('shopper', 'admin', 'guest'))"
    yield "migrations", "table_made_anew", "table-rebuilt", migrate(anew.format("TEXT NOT NULL", checked), swap)


def changes():
    for contract, how, rule in CHANGES:
        yield contract, how.__name__, rule, how
    yield from text_changes()
    yield from migration_changes()


def steps(base):
    """The same change, declared in one way or another, and what must be said of it; nothing, if it is let pass."""
    head = "-- Contract: users.{}, last needed by {}"
    for name, column, last, said in [
        ("time_has_come", "role", f"{base}^", None),
        ("needed_by_the_base", "role", base, "runs beside"),
        ("needed_by_this_version", "role", "HEAD", "runs beside" if same(base, "HEAD") else "does not come before"),
        ("needed_by_nobody_known", "role", "v999.0.0", "there is no revision"),
        ("of_another_column", "email", f"{base}^", "not declared"),
    ]:
        if last == f"{base}^" and not known(last):
            print(f"  sabotage: migrations: {name}: left out: this clone knows nothing before {base}")
            continue
        yield name, migrate(head.format(column, last), "ALTER TABLE users DROP COLUMN role;"), said


def known(revision):
    found = subprocess.run(["git", "rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}"], capture_output=True)
    return found.returncode == 0


def same(one, other):
    return git_commit(one) == git_commit(other)


def git_commit(revision):
    return subprocess.run(["git", "rev-parse", f"{revision}^{{commit}}"], capture_output=True, text=True, check=True).stdout


def unnoticed(work, checks, base):
    """How many changes did not come out as they must. Each is made to a copy of this version."""
    wrong = made = 0
    before, after = work / "before", work / "after"
    copy(Path.cwd(), before)

    def findings(contract, how):
        shutil.rmtree(after, ignore_errors=True)
        shutil.copytree(before, after)
        how(after)
        return list(checks[contract](before, after))

    def judge(contract, name, expected, said, good):
        nonlocal wrong, made
        made += 1
        if not good:
            wrong += 1
            print(f"  sabotage: {contract}: {name}: expected {expected or 'nothing'}, and it says {', '.join(sorted(said)) or 'nothing'}", flush=True)

    for contract, name, rule, how in changes():
        if contract not in checks:
            continue
        try:
            found = {it.rule for it in findings(contract, how)}
        except (LookupError, ValueError) as error:
            # What it changes has another name by now.
            judge(contract, name, rule, {f"that there is no {error}"}, False)
            continue
        judge(contract, name, rule, found, (rule in found) if rule else not found)
    if "migrations" in checks:
        for name, how, expected in steps(base):
            said = {objection(it, [], base) for it in findings("migrations", how)}
            good = said == {None} if expected is None else any(expected in (it or "") for it in said)
            judge("migrations", name, expected, {it or "nothing" for it in said}, good)
    print(f"sabotage: {made - wrong} of {made} changes were judged as they must be")
    return wrong


def copy(root, to):
    """The contracts alone."""
    for path in [root / CONTRACTS, root / PROTO, *root.glob("crates/*/migrations"), *root.glob("services/*/migrations")]:
        shutil.copytree(path, to / path.relative_to(root))
