"""What users may import, written out: a name appears or disappears here on purpose or not at all.

Everything that is not in these lists is private, whatever it is called.
"""

import importlib
import importlib.metadata
import importlib.resources
import inspect
import re
import tomllib

import pytest

from tests.support.source import ROOT

# In order: constants, then classes, then functions.
SURFACE = {
    "orbdo_sdk": """
        NOT_GIVEN Address Agent ApiError ApiKey AsyncPages AuthenticationError AutoCollection Backfill
        BadRequestError BasePlan BatchRejectedError BillableMetric BillableMetricTiny BillingCycleAnchor
        BillingCycleConfiguration BufferFullError BufferLimits BulkConfig BulkPrice BulkTier ClosedError
        ConfigurationError ConflictError ConnectionFailedError Customer CustomerMinified DeadLetter
        DeadLetters Decision Difference DocumentUrl Drop EmbeddedApp Entitlement EntitlementSnapshot
        Event EventFields EventRejectedError EventTrace EventVolume EventVolumes Feature FieldProblem
        FixedFeeQuantity FoundEvent FoundEvents Hierarchy HourOfEvents Identified InvalidEventError
        Invoice Item ItemSlim LineItem NotFoundError NotGiven Orb OrbError OrbOptions PackageConfig
        PackagePrice Page PaginationMetadata PermissionDeniedError Ping Plan PlanFeature
        PlanFeatureGrant Price PriceCalculation PriceInterval PriceTier Product Proration
        QuantityTransition RateLimitedError Reason Receipt ReconciledInvoice Reconciliation
        RequestTooLargeError RetryPolicy SendsReleased ServerError SnapshotPolicy Source SpoolError Statistics
        SubLineItem Subscription SubscriptionItem SubscriptionMinified SyncOrb SyncPages Tier TierCharge
        TierConfig TieredConfig TieredPrice TimedOutError Timeout TracedCorrection TracedLine
        TracedMetric TracedRepeat TracedRow TrialConfig TrialInfo UnexpectedAnswerError UnitConfig
        UnitPrice UnmatchedCustomer UpcomingInvoice Usage UsageCheck UsageRow WrongEventLoopError decide
    """,
    "orbdo_sdk.client": """
        NOT_GIVEN Agent AsyncPages BufferLimits DeadLetter DeadLetters Drop EmbeddedApp Event
        EventFields Identified NotGiven Orb OrbOptions PlanFeatureGrant PriceTier Receipt RetryPolicy
        SnapshotPolicy Statistics SubscriptionItem SyncOrb SyncPages Timeout UsageCheck
    """,
    "orbdo_sdk.middleware": """
        CheckUsageLimit CustomerResolver EntitledOrb EntitlementGate EntitlementReader GateFactory
        RequireFeature check_usage_limit header path_segment require_feature set_default_orb user_attribute
    """,
    "orbdo_sdk.testing": """
        InMemoryOrb ManualClock RecordedEvent
    """,
}
CHANGES = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


@pytest.mark.parametrize("name", SURFACE)
def test_the_public_names_are_these(name: str) -> None:
    """A module that users import from offers exactly the names of its list."""
    assert importlib.import_module(name).__all__ == SURFACE[name].split()


@pytest.mark.parametrize("name", SURFACE)
def test_the_public_names_are_sorted_and_exist(name: str) -> None:
    """The names are in order, constants first, each is there, and a star import brings them all."""
    names = SURFACE[name].split()
    assert names == sorted(names, key=lambda public: (not public.isupper(), not public[0].isupper(), public))
    namespace: dict[str, object] = {}
    exec(f"from {name} import *", namespace)
    assert set(names) <= set(namespace)


@pytest.mark.parametrize("name", SURFACE)
def test_public_classes_and_functions_say_what_they_are(name: str) -> None:
    """Everything public that can carry a docstring has one; an alias of a type cannot."""
    module = importlib.import_module(name)
    named = {public: getattr(module, public) for public in SURFACE[name].split()}
    speaking = {public: thing for public, thing in named.items() if inspect.isclass(thing) or inspect.isfunction(thing)}
    silent = [public for public, thing in speaking.items() if not (thing.__doc__ or "").strip()]
    assert silent == []


@pytest.mark.parametrize("package", ["orbdo_sdk", "orbdo_server"])
def test_types_are_shipped(package: str) -> None:
    """A type checker takes the annotations of both packages at their word."""
    assert importlib.resources.files(package).joinpath("py.typed").is_file()


def test_the_version_is_one() -> None:
    """The project, the installed package and the newest entry of the changelog name the same version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == project["version"]
    assert importlib.metadata.version("orbdo") == project["version"]
    assert len(versions) == len(set(versions))


def test_changes_are_sorted_by_kind() -> None:
    """The changelog uses the headings of Keep a Changelog, each entry at least one."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    _, *entries = re.split(r"^## .*$", text, flags=re.MULTILINE)
    for entry in entries:
        kinds = re.findall(r"^### (.*)$", entry, re.MULTILINE)
        assert kinds
        assert set(kinds) <= set(CHANGES)
