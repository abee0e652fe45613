"""Limits that may be about the same requests: a thousand tenants' limits are not compared each with each."""

from fastgate.config.limit_rules import Known, Rule


class Near:
    """Rules by whose requests they are about."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._of_all: list[Rule] = []
        self._by_tenant: dict[str, list[Rule]] = {}
        self._by_key: dict[str, list[Rule]] = {}

    def add(self, rule: Rule) -> None:
        """Take a rule in."""
        tenants = self._known.tenants(rule.when)
        if "key" in rule.when:
            for key in rule.when["key"]:
                self._by_key.setdefault(key, []).append(rule)
        elif tenants is not None:
            for tenant in tenants:
                self._by_tenant.setdefault(tenant, []).append(rule)
        else:
            self._of_all.append(rule)

    def of(self, rule: Rule) -> list[Rule]:
        """The rules that are about all requests, and those that share a key or a tenant with this one.

        Of two rules one finds the other, whichever was taken in first, unless only the other is restricted.
        """
        found = {other.path: other for other in self._of_all}
        for tenant in self._known.tenants(rule.when) or ():
            found |= {other.path: other for other in self._by_tenant.get(tenant, ())}
        for key in rule.when.get("key", ()):
            found |= {other.path: other for other in self._by_key.get(key, ())}
        return list(found.values())
