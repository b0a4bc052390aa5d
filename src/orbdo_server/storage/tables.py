"""Every table of the control plane. Each row belongs to a tenant; decimals and JSON are kept as exact text."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from orbdo_server.storage.column_types import ExactDecimal, Instant, JsonText

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _tenant() -> Column[str]:
    return Column("tenant", String(64), ForeignKey("tenants.id"), nullable=False)


tenants = Table(
    "tenants",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("created_at", Instant, nullable=False),
)

server_state = Table(
    "server_state",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(64), primary_key=True),
    _tenant(),
    Column("name", String(255), nullable=False),
    Column("prefix", String(64), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("scopes", JsonText, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Index(None, "tenant", "created_at", "id"),
)

customers = Table(
    "customers",
    metadata,
    Column("id", String(64), primary_key=True),
    _tenant(),
    Column("external_customer_id", String(255)),
    Column("name", String(255), nullable=False),
    Column("email", String(320), nullable=False),
    Column("currency", String(3)),
    Column("timezone", String(64), nullable=False),
    Column("auto_issuance", Boolean),
    Column("metadata", JsonText, nullable=False),
    Column("details", JsonText, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("tenant", "external_customer_id"),
    Index(None, "tenant", "created_at", "id"),
)

items = Table(
    "items",
    metadata,
    Column("id", String(64), primary_key=True),
    _tenant(),
    Column("name", String(255), nullable=False),
    Column("metadata", JsonText, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),
    Index(None, "tenant", "created_at", "id"),
)

metrics = Table(
    "metrics",
    metadata,
    Column("id", String(64), primary_key=True),
    _tenant(),
    Column("item_id", String(64), ForeignKey("items.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("description", Text),
    Column("sql", Text, nullable=False),
    Column("metadata", JsonText, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("archived_at", Instant),
    Index(None, "tenant", "created_at", "id"),
)

prices = Table(
    "prices",
    metadata,
    Column("id", String(64), primary_key=True),
    _tenant(),
    Column("item_id", String(64), ForeignKey("items.id"), nullable=False),
    Column("metric_id", String(64), ForeignKey("metrics.id")),
    Column("external_price_id", String(255)),
    Column("name", String(255), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("cadence", String(16), nullable=False),
    Column("model_type", String(64), nullable=False),
    Column("config", JsonText, nullable=False),
    Column("fixed_price_quantity", ExactDecimal),
    Column("metadata", JsonText, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("tenant", "external_price_id"),
    Index(None, "tenant", "created_at", "id"),
)

plans = Table(
    "plans",
    metadata,
    Column("id", String(64), primary_key=True),
    _tenant(),
    Column("external_plan_id", String(255)),
    Column("name", String(255), nullable=False),
    Column("description", Text, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("status", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("net_terms", Integer),
    Column("default_invoice_memo", Text),
    Column("metadata", JsonText, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("tenant", "external_plan_id"),
    Index(None, "tenant", "created_at", "id"),
)

plan_prices = Table(
    "plan_prices",
    metadata,
    Column("plan_id", String(64), ForeignKey("plans.id"), primary_key=True),
    Column("plan_version", Integer, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    _tenant(),
    Column("price_id", String(64), ForeignKey("prices.id"), nullable=False),
)

features = Table(
    "features",
    metadata,
    Column("id", String(64), primary_key=True),
    _tenant(),
    Column("key", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("type", String(16), nullable=False),
    Column("metadata", JsonText, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("tenant", "key"),
    Index(None, "tenant", "created_at", "id"),
)

plan_features = Table(
    "plan_features",
    metadata,
    Column("plan_id", String(64), ForeignKey("plans.id"), primary_key=True),
    Column("plan_version", Integer, primary_key=True),
    Column("feature_id", String(64), ForeignKey("features.id"), primary_key=True),
    _tenant(),
    Column("ordinal", Integer, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("limit_quantity", ExactDecimal),
    Column("value", Text),
    Column("metric_id", String(64), ForeignKey("metrics.id")),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", String(64), primary_key=True),
    _tenant(),
    Column("customer_id", String(64), ForeignKey("customers.id"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("anchor", String(10), nullable=False),
    Column("start_at", Instant, nullable=False),
    Column("end_at", Instant),
    Column("net_terms", Integer, nullable=False),
    Column("metadata", JsonText, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index(None, "tenant", "customer_id"),
    Index(None, "tenant", "created_at", "id"),
)

plan_intervals = Table(
    "plan_intervals",
    metadata,
    Column("id", String(64), primary_key=True),
    _tenant(),
    Column("subscription_id", String(64), ForeignKey("subscriptions.id"), nullable=False),
    Column("plan_id", String(64), ForeignKey("plans.id"), nullable=False),
    Column("plan_version", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("start_at", Instant, nullable=False),
    Column("end_at", Instant),
    Index(None, "tenant", "subscription_id"),
)

price_intervals = Table(
    "price_intervals",
    metadata,
    Column("id", String(64), primary_key=True),
    _tenant(),
    Column("subscription_id", String(64), ForeignKey("subscriptions.id"), nullable=False),
    Column("price_id", String(64), ForeignKey("prices.id"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("quantity", ExactDecimal),
    Column("start_at", Instant, nullable=False),
    Column("end_at", Instant),
    Index(None, "tenant", "subscription_id"),
)

invoices = Table(
    "invoices",
    metadata,
    Column("id", String(64), primary_key=True),
    _tenant(),
    Column("customer_id", String(64), ForeignKey("customers.id"), nullable=False),
    Column("subscription_id", String(64), ForeignKey("subscriptions.id")),
    Column("reason", String(32), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("number", String(64)),
    Column("currency", String(3), nullable=False),
    Column("period_start", Instant, nullable=False),
    Column("period_end", Instant, nullable=False),
    Column("as_of", BigInteger),
    Column("sealed", LargeBinary),
    Column("seal_hash", String(64)),
    Column("total", ExactDecimal),
    Column("memo", Text),
    Column("metadata", JsonText, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("issued_at", Instant),
    Column("due_at", Instant),
    Column("paid_at", Instant),
    Column("voided_at", Instant),
    Column("payment", JsonText),
    UniqueConstraint("tenant", "subscription_id", "period_start", "period_end", "reason", "generation"),
    UniqueConstraint("tenant", "number"),
    Index(None, "tenant", "created_at", "id"),
    Index(None, "tenant", "customer_id"),
)

invoice_numbers = Table(
    "invoice_numbers",
    metadata,
    Column("tenant", String(64), ForeignKey("tenants.id"), primary_key=True),
    Column("last_number", Integer, nullable=False),
)

idempotent_requests = Table(
    "idempotent_requests",
    metadata,
    Column("tenant", String(64), ForeignKey("tenants.id"), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status_code", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index(None, "created_at"),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    _tenant(),
    Column("at", Instant, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(128), nullable=False),
    Column("resource_id", String(64)),
    Column("request_id", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("request_hash", String(64), nullable=False),
    Column("response_hash", String(64), nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index(None, "tenant", "sequence"),
)
