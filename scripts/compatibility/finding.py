"""What is found, and whether it is a step that takes away what nobody uses any more."""

import subprocess
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """What would break a version that runs beside this one."""

    contract: str
    # The operation, message or `table.column` that it is about.
    where: str
    # What the tool calls it.
    rule: str
    text: str
    # What new migrations say in their heads that they take away, and which revision was the last to need it.
    declared: tuple = field(default=())

    def __str__(self):
        return f"{self.contract}: {self.where}: {self.text} [{self.rule}]"

    def is_about(self, column):
        """Squawk names no column: there the head of the file counts. A table that is made anew is so for the sake of one of its columns."""
        return self.contract == "postgres" or self.where in (column, column.split(".")[0])


def objection(found, entries, base):
    """Why a finding counts; nothing, if it was declared, and what still needs it has gone."""
    declared = [by for column, by in found.declared if found.is_about(column)]
    for it in entries:
        if (it["contract"], it["where"], it["rule"]) == (found.contract, found.where, found.rule):
            it["found"] = True
            declared.append(it["last_needed_by"])
    if not declared:
        return "it is not declared"
    return next(filter(None, (needed(by, base) for by in declared)), None)


def needed(last, base):
    """Why what the revision `last` was the last to need may not go yet; nothing, if the base, which runs beside this version, is later."""
    found = subprocess.run(["git", "rev-parse", "--quiet", "--verify", f"{last}^{{commit}}"], capture_output=True, text=True)
    if found.returncode:
        return f"there is no revision {last}"
    commit = found.stdout.strip()
    if commit == base:
        return f"{last} runs beside this version"
    if subprocess.run(["git", "merge-base", "--is-ancestor", commit, base]).returncode:
        return f"{last} does not come before the base"
    return None
