"""The vendors' page: `python -m fastgate.catalogue.vendors_reference > docs/vendors.md`.

Written from `vendors.toml`, so that the page can't drift from what is used; a test compares the two.
"""

from fastgate.catalogue.vendors import Vendor, vendors

_INTRODUCTION = """\
# Vendors

Made by `python -m fastgate.catalogue.vendors_reference`; do not edit.

A vendor from this list needs no more than its name; the rest is known:

```toml
[providers.groq]                     # the key is taken from GROQ_API_KEY

[providers.mistral]
api_key = "${MY_MISTRAL_KEY}"        # or from wherever you say
```

What you write wins. With a `base_url` of your own nothing is added: an address may be anyone's, and a
vendor's key is never sent to it. Without a configuration file, or without `[providers]` in it, every vendor
is used whose variable is set, bar those marked *only by name*: their variable has other uses too, or they
need no key. Of several variables the first that is set counts. Clients ask for `groq/<model>`, or for the
bare name where it begins as the vendor's own do; see [names](routing.md#names).
"""

_OTHERS = """
## Vendors that are not in the list

Any server that speaks OpenAI's format needs its address, and a key if it wants one:

```toml
[providers.ours]
base_url = "https://llm.example.com/v1"   # what OpenAI's SDK would take
api_key = "${OUR_LLM_KEY}"
stream_usage = false                      # only if it refuses stream_options.include_usage
```

A second account at a vendor, or another region, is written the same way with that vendor's address.
`fastgate doctor` says whether the address answers and the key is accepted.
"""


def vendors_reference() -> str:
    """The page as Markdown."""
    return _INTRODUCTION + _table() + _OTHERS


def _table() -> str:
    rows = "".join(_row(name, vendor) for name, vendor in sorted(vendors().items()))
    return (
        f"\n## The list\n\n{len(vendors())} vendors. The last column says where one differs from its\n"
        "dialect, and whether it has OpenAI's Responses beside chat: at the others, clients of Responses\n"
        "are answered through chat completions. A field of chat requests that has another name there is\n"
        "renamed, and one that is refused and without which an answer is as good (a user, a seed, a name …)\n"
        "is left out and named in `x-fastgate-dropped`; other refusals are the vendor's to make. All of it\n"
        "is for the address in the list only; [`catalogue.fill`](models.md#deviations) without `deviations`\n"
        "switches it off.\n\n"
        f"| name | `base_url` | key | dialect | what differs |\n|---|---|---|---|---|\n{rows}"
    )


def _row(name: str, vendor: Vendor) -> str:
    cells = (
        f"`{name}`",
        f"`{vendor.base_url}`",
        _variables(vendor),
        f"`{vendor.dialect}`",
        _differences(vendor),
    )
    return f"| {' | '.join(cells)} |\n"


def _variables(vendor: Vendor) -> str:
    names = ", ".join(f"`{name}`" for name in vendor.environment) or "none"
    return f"{names} (not needed)" if vendor.keyless and vendor.environment else names


def _differences(vendor: Vendor) -> str:
    """What sets it apart, in the order in which a reader needs it."""
    found = []
    if vendor.keyless or not vendor.automatic:
        found.append("*only by name*")
    if vendor.base_url_environment is not None:
        as_url = " if that is a URL, and then not only by name" if vendor.keyless else ""
        found.append(f"address from `{vendor.base_url_environment}`{as_url}")
    if vendor.auth_header != "authorization":
        found.append(f"key in `{vendor.auth_header}`")
    found += [f"`{name}: {value}`" for name, value in vendor.headers.items()]
    if vendor.responses:
        found.append("has Responses")
    if not vendor.stream_usage:
        found.append("refuses `stream_options`")
    if vendor.refuses:
        found.append("refuses " + ", ".join(_refused(field) for field in vendor.refuses))
    found += [f"`{field}` is `{there}`" for field, there in vendor.renames.items()]
    if vendor.usage is not None:
        found.append(f"cached tokens in `usage.{vendor.usage}`")
    return "; ".join(found)


def _refused(field: str) -> str:
    return "`n` but 1" if field == "n" else f"`{field}`"


if __name__ == "__main__":
    print(vendors_reference(), end="")
