"""Holds the contracts of this version against those of a base; called by scripts/check-compatibility."""

import json
import sys
from pathlib import Path

import interfaces
import migrations
import sabotage
from finding import objection

CHECKS = {
    "openapi": interfaces.openapi,
    "events": interfaces.events,
    "protobuf": interfaces.protobuf,
    "postgres": migrations.postgres,
    "migrations": migrations.migrations,
}
ACCEPTED = Path("scripts/compatibility/accepted.json")


def accepted():
    """Steps that take away what nobody uses any more, of contracts that cannot say so themselves."""
    entries = json.loads(ACCEPTED.read_text())["entries"]
    for it in entries:
        if not all(it.get(key) for key in ("contract", "where", "rule", "reason", "last_needed_by")):
            raise ValueError(f"{ACCEPTED}: an entry needs contract, where, rule, reason and last_needed_by: {it}")
    return entries


def compare(contracts, base_tree, base, entries):
    wrong = 0
    for contract in contracts:
        try:
            found = list(CHECKS[contract](base_tree, Path.cwd()))
        except FileNotFoundError as error:
            # The file came with this check.
            print(f"{contract}: NOT COMPARED: {error}")
            continue
        for it in found:
            why = objection(it, entries, base)
            print(f"  {it}: {why or 'declared, and its time has come'}")
            wrong += why is not None
        print(f"{contract}: {len(found) or 'no'} findings")
    for it in entries:
        if it["contract"] in contracts and not it.get("found"):
            print(f"  {ACCEPTED}: there is no such finding any more: {it['contract']}, {it['where']}, {it['rule']}")
            wrong += 1
    return wrong


def main():
    work, base, contracts = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    wrong = compare(contracts, work / "base", base, accepted())
    unnoticed = sabotage.unnoticed(work, {it: CHECKS[it] for it in contracts}, base)
    if wrong or unnoticed:
        sys.exit(f"FAIL: {wrong} changes break the version before, {unnoticed} sabotages came out otherwise than they must")


main()
