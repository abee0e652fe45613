"""What the settings of the model catalogue require of others."""

from fastgate.catalogue.models import overlay
from fastgate.config.findings import Findings, did_you_mean
from fastgate.config.model_facts import fits
from fastgate.config.settings import Settings


def check_catalogue(settings: Settings, findings: Findings) -> None:
    """Note facts that contradict each other or are about nothing, and vendors that the catalogue has not."""
    for name, provider in settings.providers.items():
        if provider.vendor is not None and provider.vendor not in overlay().vendors:
            hint = did_you_mean(provider.vendor, overlay().vendors)
            findings.add(("providers", name, "vendor"), "the catalogue knows no such vendor", hint)
    served = {deployment.provider for deployment in settings.deployments.values()}
    is_open = bool(settings.providers.keys() - served)
    models = {deployment.model for deployment in settings.deployments.values()}
    qualified = {f"{deployment.provider}/{deployment.model}" for deployment in settings.deployments.values()}
    for name, facts in settings.catalogue.models.items():
        path = ("catalogue", "models", name)
        if "*" in name[:-1]:
            findings.add(path, "a * may only be at the end")
        elif not is_open and not any(fits(name, model) for model in models | qualified):
            findings.add(path, "no deployment has such a model", did_you_mean(name, models))
        for both in sorted(set(facts.can) & set(facts.cannot)):
            findings.add((*path, "cannot"), f'"{both}" is in `can` as well', "leave out one")
        sizes = facts.context_tokens, facts.output_tokens
        if sizes[0] is not None and sizes[1] is not None and sizes[1] > sizes[0]:
            findings.add((*path, "output_tokens"), "must not be larger than context_tokens")
