"""The rule that keeps tenants apart: no function of storage reads or writes rows without being told whose they are.

It reads signatures only: that the tenant reaches the statement is for ruff (unused arguments) and for the API's tests.
"""

import ast
from collections.abc import Iterator

from tests.support.source import Module, within

STORAGE = "orbdo_server.storage"

# Functions that are about no single tenant, each with the reason.
TENANTLESS = {
    "api_keys.find_by_hash": "a key is how the tenant is found in the first place",
    "audit_entries.last": "the chain of entries runs through all tenants",
    "audit_entries.read_all": "the chain is verified as a whole",
    "tenants.all_ids": "`orbdo verify` goes through all tenants of an install",
    "tenants.delete_state": "a value of the server as a whole",
    "tenants.insert_state": "a value of the server as a whole",
    "tenants.put_state": "a value of the server as a whole",
    "tenants.read_state": "a value of the server as a whole",
}


def storage_demands_a_tenant(module: Module) -> Iterator[str]:
    """A public function of storage that is given a connection and neither a tenant nor a value that belongs to one."""
    if not within(module, STORAGE) or within(module, f"{STORAGE}.migrations"):
        return
    for name, function in _row_functions(module):
        if name not in TENANTLESS and not _knows_the_tenant(function):
            yield module.at(function, f"{name} touches rows without a tenant")


def needless_exemptions(*modules: Module) -> Iterator[str]:
    """An exemption for a function that is gone or that demands a tenant after all."""
    found = dict(pair for module in modules if within(module, STORAGE) for pair in _row_functions(module))
    for name in TENANTLESS:
        if name not in found or _knows_the_tenant(found[name]):
            yield f"{name}: needs no exemption"


def _row_functions(module: Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    inner = module.name.removeprefix(f"{STORAGE}.")
    for node in module.tree.body:
        match node:
            case ast.FunctionDef(name=name, args=ast.arguments(args=[first, *_])) if not name.startswith("_"):
                if first.annotation and ast.unparse(first.annotation).endswith("Connection"):
                    yield f"{inner}.{name}", node


def _knows_the_tenant(function: ast.FunctionDef) -> bool:
    given = [*function.args.args[1:], *function.args.kwonlyargs]
    return any(argument.arg == "tenant" or _is_domain_value(argument.annotation) for argument in given)


def _is_domain_value(annotation: ast.expr | None) -> bool:
    """A frozen value of the core carries its tenant; texts, numbers and collections do not."""
    return isinstance(annotation, ast.Name) and annotation.id[0].isupper() and annotation.id not in {"Any", "Decimal"}
