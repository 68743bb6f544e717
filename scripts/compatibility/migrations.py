"""Migrations: what is released stays as it is, and what is new only adds.

Those of SQLite are judged by what they do: the base's are applied to an empty database, then those of this version, and the tables are
compared. Those of PostgreSQL are read by Squawk and must be as many, so that both kinds of database have the same.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import apsw
from finding import Finding

# Says that a migration takes away what the release it names was the last to need.
DECLARED = re.compile(r"^-- Contract: (?P<what>\w+(?:\.\w+)?), last needed by (?P<by>\S+)$", re.MULTILINE)
# Squawk looks at what a migration does to a server that is being used, too. These do not concern who else uses it: migrations run once,
# in a transaction each, and the session has no limit because a replica that starts may wait.
NOT_OURS = "prefer-robust-stmts,require-statement-timeout,prefer-identity,prefer-text-field"
LOCK = "require-lock-timeout"
# What Squawk lets pass, and yet refuses rows that a writer of the version before may have.
NARROWS = re.compile(r"\bADD\s+(CONSTRAINT|CHECK|UNIQUE|FOREIGN)\b|\bCREATE\s+UNIQUE\b", re.IGNORECASE)


def number(path):
    return int(path.name.split("_")[0])


def folders(root):
    """Every folder with migrations, and the files in it in their order."""
    found = {}
    for path in [*root.glob("crates/*/migrations/**/*.sql"), *root.glob("services/*/migrations/**/*.sql")]:
        found.setdefault(path.parent.relative_to(root), []).append(path)
    return {folder: sorted(files, key=number) for folder, files in sorted(found.items())}


def pairs(base, head):
    """Each folder with its files at the base, if it was there, and now."""
    before, after = folders(base), folders(head)
    for folder in sorted({*before, *after}):
        yield folder, before.get(folder, []), after.get(folder, [])


def added(before, after):
    known = {it.name for it in before}
    return [it for it in after if it.name not in known]


def declared(files):
    return tuple((it["what"], it["by"]) for file in files for it in DECLARED.finditer(file.read_text()))


def released(folder, before, after):
    """Services refuse to start where an applied migration has become another one."""
    now = {it.name: it.read_bytes() for it in after}
    for file in before:
        where = f"{folder}/{file.name}"
        if file.name not in now:
            yield Finding("migrations", where, "released-migration-removed", "it is released and gone")
        elif now[file.name] != file.read_bytes():
            yield Finding("migrations", where, "released-migration-changed", "it is released and was changed: write a new one")
    newest = max(map(number, before), default=0)
    for file in added(before, after):
        if number(file) <= newest:
            yield Finding("migrations", f"{folder}/{file.name}", "migration-out-of-order", f"its number is not above {newest}")


class Schema:
    """The tables that migrations make in SQLite."""

    def __init__(self, files):
        self.database = apsw.Connection(":memory:")
        for file in files:
            self.database.execute(file.read_text())
        named = self.database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        self.tables = {name: " ".join(sql.split()) for name, sql in named}

    def columns(self, table):
        rows = self.database.execute("SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_xinfo(?)", (table,))
        return {name: (kind, required, default, key) for name, kind, required, default, key in rows}

    def unique(self, table):
        """The columns of each of its unique indices."""
        indices = self.database.execute("SELECT name FROM pragma_index_list(?) WHERE \"unique\"", (table,))
        columns = "SELECT name FROM pragma_index_info(?)"
        return {tuple(it for (it,) in self.database.execute(columns, (name,))) for (name,) in list(indices)}


def narrowed(old, new, table):
    """What a reader or writer that knows the old table cannot do with the new one, each with its column."""
    before, after = old.columns(table), new.columns(table)
    for column, was in before.items():
        now = after.get(column)
        if now is None:
            yield column, "column-dropped", "the column is gone"
            continue
        if now[0] != was[0]:
            yield column, "column-type-changed", f"it was {was[0]} and is {now[0]}"
        if now[1] > was[1]:
            yield column, "column-required", "it must not be NULL any more"
        if was[2] is not None and now[2] != was[2]:
            yield column, "column-default-changed", f"its default was {was[2]} and is {now[2]}"
    for column, (_, required, default, _) in after.items():
        if column not in before and required and default is None:
            yield column, "required-column-added", "who does not know it leaves it NULL, which it must not be: give it a default, or let it be NULL"
    for columns in new.unique(table) - old.unique(table):
        if set(columns) <= {*before}:
            yield columns[0], "unique-added", f"{', '.join(columns)} must be unique now"


def effects(folder, before, after):
    new = added(before, after)
    by_head = declared(new)
    old, now = Schema(before), Schema(before + new)
    for table, sql in old.tables.items():
        if table not in now.tables:
            yield Finding("migrations", table, "table-dropped", f"{folder}: the table is gone", by_head)
            continue
        findings = list(narrowed(old, now, table))
        # A column that is added stands behind what there was.
        if not findings and not now.tables[table].startswith(sql.rstrip(")").rstrip()):
            findings.append((None, "table-rebuilt", "its constraints are others: it was made anew"))
        for column, rule, text in findings:
            yield Finding("migrations", f"{table}.{column}" if column else table, rule, f"{folder}: {text}", by_head)


def migrations(base, head):
    for folder, before, after in pairs(base, head):
        yield from released(folder, before, after)
        if folder.name == "postgres":
            twin = sorted(it.name for it in (head / folder.parent / "sqlite").glob("*.sql"))
            if sorted(it.name for it in after) != twin:
                yield Finding("migrations", str(folder), "not-the-same-in-both", f"SQLite has {', '.join(twin)}")
            continue
        try:
            yield from effects(folder, before, after)
        except apsw.Error as error:
            yield Finding("migrations", str(folder), "migration-fails", str(error))


def postgres(base, head):
    program = Path(os.environ["TOOLS"]) / "compatibility/bin/squawk"
    for folder, before, after in pairs(base, head):
        # A table that does not exist yet has no users.
        new = added(before, after) if before else []
        if folder.name != "postgres" or not new:
            continue
        command = [program, "--reporter", "json", "--assume-in-transaction", "--pg-version", "15", "--exclude", NOT_OURS, *new]
        ran = subprocess.run(command, capture_output=True, text=True)
        if ran.returncode not in (0, 1):
            raise RuntimeError(f"squawk: {ran.stderr.strip()}")
        for it in json.loads(ran.stdout or "[]"):
            where = f"{folder}/{Path(it['file']).name}"
            # That something may go does not mean that others may wait for it.
            head = () if it["rule_name"] == LOCK else declared([Path(it["file"])])
            yield Finding("postgres", where, it["rule_name"], it["message"], head)
        for file in new:
            code = re.sub(r"--.*", "", file.read_text())
            for it in NARROWS.finditer(code):
                yield Finding("postgres", f"{folder}/{file.name}", "narrows", f"{it[0]}: it refuses rows that were good", declared([file]))
