"""What groups, models, rows and drills require of other settings.

Each check notes everything wrong with one of them; ids that must exist come with the most similar one that
does.
"""

from collections.abc import Iterable, Sequence

from fastgate.config.findings import Findings, Path, did_you_mean
from fastgate.config.groups import Conditions, conditions_of, matching, values_of
from fastgate.config.resilience_settings import (
    DRILL_REPORT_SUFFIX,
    LONGEST_DRILL,
    Drill,
    Resilience,
)
from fastgate.config.routing_settings import Group, Model, When
from fastgate.config.settings import DEFAULT_TENANT, Settings


def check_policies(settings: Settings, findings: Findings) -> None:
    """Note everything that does not hold."""
    for group_id, group in settings.groups.items():
        _check_group(("groups", group_id), group, settings, findings)
    for name, model in settings.models.items():
        _check_model(name, model, settings, findings)
    _check_resilience(settings.resilience, findings)
    for drill_id, drill in settings.drills.items():
        _check_drill(("drills", drill_id), drill, settings, findings)


def _check_group(path: Path, group: Group, settings: Settings, findings: Findings) -> None:
    if group.by != "session" and group.pick != "sticky":
        findings.add((*path, "by"), 'is only for pick = "sticky"')
    if (group.members is None) == (group.where is None):
        wrong = "needs either members or where" if group.where is None else "has both members and where"
        findings.add(path, wrong)
        return
    if group.members is not None:
        for member in group.members.keys() - settings.deployments.keys():
            hint = did_you_mean(member, settings.deployments)
            findings.add((*path, "members", member), "no such deployment", hint)
        return
    conditions = conditions_of(group)
    if not conditions:
        findings.add((*path, "where"), "needs at least one condition")
    else:
        _check_conditions((*path, "where"), conditions, settings, findings)


def _check_conditions(path: Path, conditions: Conditions, settings: Settings, findings: Findings) -> None:
    """Note providers that do not exist, and conditions that no deployment meets."""
    known = {
        name: set[str]().union(*(values_of(item, name) for item in settings.deployments.values()))
        for name in conditions
    }
    known["provider"] = set(settings.providers)
    _check_known((*path, "provider"), conditions.get("provider"), settings.providers, findings)
    unmet = [name for name, values in conditions.items() if not known[name].intersection(values)]
    for name in unmet:
        if name != "provider":
            hint = did_you_mean(conditions[name][0], known[name])
            findings.add((*path, name), f"no deployment has this {name}", hint)
    if not unmet and not matching(conditions, settings):
        findings.add(path, "no deployment meets all of these conditions")


def _check_model(name: str, model: Model, settings: Settings, findings: Findings) -> None:
    path = ("models", name)
    if (model.use is None) == (model.rows is None):
        findings.add(path, "needs either use or rows" if model.use is None else "has both use and rows")
        return
    if model.use is not None:
        _check_chain((*path, "use"), model.use, settings, findings)
    for index, row in enumerate(model.rows or ()):
        _check_chain((*path, "rows", index, "use"), row.use, settings, findings)
        if row.when is not None:
            _check_when((*path, "rows", index, "when"), row.when, [name, *model.aliases], settings, findings)


def _check_chain(path: Path, chain: Sequence[str], settings: Settings, findings: Findings) -> None:
    targets = settings.deployments.keys() | settings.groups.keys()
    for index, target in enumerate(chain):
        if target not in targets:
            findings.add((*path, index), "no such deployment or group", did_you_mean(target, targets))
        elif target in chain[:index]:
            findings.add(
                (*path, index),
                "stands in this chain already",
                "a request tries no deployment twice; `retries` says how often a call is repeated",
            )


def _check_when(path: Path, when: When, names: Sequence[str], settings: Settings, findings: Findings) -> None:
    tenants = [DEFAULT_TENANT, *settings.tenants]
    _check_known((*path, "tenant"), when.tenant, tenants, findings, "add it to [tenants]")
    _check_known((*path, "tier"), when.tier, settings.tiers, findings, "add it to [tiers]")
    for index, model in enumerate(when.model or ()):
        if model not in names:
            hint = did_you_mean(model, names)
            findings.add((*path, "model", index), "is no name of this model; `aliases` adds names", hint)
    if when.load == 0:
        findings.add((*path, "load"), "must be above 0")


def _check_resilience(resilience: Resilience, findings: Findings) -> None:
    if resilience.backoff > resilience.backoff_max:
        findings.add(("resilience", "backoff"), "must not be longer than backoff_max")
    if resilience.breaker.open > resilience.breaker.open_max:
        findings.add(("resilience", "breaker", "open"), "must not be longer than open_max")


def _check_drill(path: Path, drill: Drill, settings: Settings, findings: Findings) -> None:
    if str(path[-1]).endswith(DRILL_REPORT_SUFFIX):
        findings.add(path, f"a drill's id must not end in {DRILL_REPORT_SUFFIX}", "its report is named so")
    if drill.length > LONGEST_DRILL:
        findings.add((*path, "for"), f"must not be longer than {LONGEST_DRILL}")
    if drill.provider not in settings.providers:
        findings.add(
            (*path, "provider"), "no such provider", did_you_mean(drill.provider, settings.providers)
        )
    tenants = [DEFAULT_TENANT, *settings.tenants]
    _check_known((*path, "tenant"), drill.tenant, tenants, findings, "add it to [tenants]")


def _check_known(
    path: Path,
    names: Sequence[str] | None,
    known: Iterable[str],
    findings: Findings,
    otherwise: str | None = None,
) -> None:
    """Note the names that do not exist; `otherwise` is the hint where none is similar."""
    existing = list(known)
    for index, name in enumerate(names or ()):
        if name not in existing:
            findings.add((*path, index), f"no such {path[-1]}", did_you_mean(name, existing) or otherwise)
