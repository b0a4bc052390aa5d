"""The first tables."""

import sqlalchemy as sa
from alembic import op

from orbdo_server.storage.column_types import ExactDecimal, Instant, JsonText

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "server_state",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_server_state")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("prefix", sa.String(length=64), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", JsonText(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_api_keys_tenant_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_api_keys_secret_hash")),
    )
    op.create_index(op.f("ix_api_keys_tenant_created_at_id"), "api_keys", ["tenant", "created_at", "id"], unique=False)
    op.create_table(
        "audit_entries",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=128), nullable=False),
        sa.Column("resource_id", sa.String(length=64), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("response_hash", sa.String(length=64), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_audit_entries_tenant_tenants")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_entries")),
    )
    op.create_index(op.f("ix_audit_entries_tenant_sequence"), "audit_entries", ["tenant", "sequence"], unique=False)
    op.create_table(
        "customers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("external_customer_id", sa.String(length=255), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("auto_issuance", sa.Boolean(), nullable=True),
        sa.Column("metadata", JsonText(), nullable=False),
        sa.Column("details", JsonText(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_customers_tenant_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
        sa.UniqueConstraint("tenant", "external_customer_id", name=op.f("uq_customers_tenant_external_customer_id")),
    )
    op.create_index(
        op.f("ix_customers_tenant_created_at_id"), "customers", ["tenant", "created_at", "id"], unique=False
    )
    op.create_table(
        "features",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("metadata", JsonText(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_features_tenant_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_features")),
        sa.UniqueConstraint("tenant", "key", name=op.f("uq_features_tenant_key")),
    )
    op.create_index(op.f("ix_features_tenant_created_at_id"), "features", ["tenant", "created_at", "id"], unique=False)
    op.create_table(
        "idempotent_requests",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_idempotent_requests_tenant_tenants")),
        sa.PrimaryKeyConstraint("tenant", "key", name=op.f("pk_idempotent_requests")),
    )
    op.create_index(op.f("ix_idempotent_requests_created_at"), "idempotent_requests", ["created_at"], unique=False)
    op.create_table(
        "invoice_numbers",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_invoice_numbers_tenant_tenants")),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_invoice_numbers")),
    )
    op.create_table(
        "items",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("metadata", JsonText(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("archived_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_items_tenant_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
    )
    op.create_index(op.f("ix_items_tenant_created_at_id"), "items", ["tenant", "created_at", "id"], unique=False)
    op.create_table(
        "plans",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("external_plan_id", sa.String(length=255), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("net_terms", sa.Integer(), nullable=True),
        sa.Column("default_invoice_memo", sa.Text(), nullable=True),
        sa.Column("metadata", JsonText(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_plans_tenant_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
        sa.UniqueConstraint("tenant", "external_plan_id", name=op.f("uq_plans_tenant_external_plan_id")),
    )
    op.create_index(op.f("ix_plans_tenant_created_at_id"), "plans", ["tenant", "created_at", "id"], unique=False)
    op.create_table(
        "metrics",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("item_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("sql", sa.Text(), nullable=False),
        sa.Column("metadata", JsonText(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("archived_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_metrics_item_id_items")),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_metrics_tenant_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metrics")),
    )
    op.create_index(op.f("ix_metrics_tenant_created_at_id"), "metrics", ["tenant", "created_at", "id"], unique=False)
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("anchor", sa.String(length=10), nullable=False),
        sa.Column("start_at", Instant(), nullable=False),
        sa.Column("end_at", Instant(), nullable=True),
        sa.Column("net_terms", sa.Integer(), nullable=False),
        sa.Column("metadata", JsonText(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_subscriptions_customer_id_customers")),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_subscriptions_tenant_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
    )
    op.create_index(
        op.f("ix_subscriptions_tenant_created_at_id"), "subscriptions", ["tenant", "created_at", "id"], unique=False
    )
    op.create_index(
        op.f("ix_subscriptions_tenant_customer_id"), "subscriptions", ["tenant", "customer_id"], unique=False
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.String(length=64), nullable=False),
        sa.Column("subscription_id", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("period_start", Instant(), nullable=False),
        sa.Column("period_end", Instant(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("seal_hash", sa.String(length=64), nullable=True),
        sa.Column("total", ExactDecimal(), nullable=True),
        sa.Column("memo", sa.Text(), nullable=True),
        sa.Column("metadata", JsonText(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("issued_at", Instant(), nullable=True),
        sa.Column("due_at", Instant(), nullable=True),
        sa.Column("paid_at", Instant(), nullable=True),
        sa.Column("voided_at", Instant(), nullable=True),
        sa.Column("payment", JsonText(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_invoices_customer_id_customers")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_invoices_subscription_id_subscriptions")
        ),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_invoices_tenant_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("tenant", "number", name=op.f("uq_invoices_tenant_number")),
        sa.UniqueConstraint(
            "tenant",
            "subscription_id",
            "period_start",
            "period_end",
            "reason",
            "generation",
            name=op.f("uq_invoices_tenant_subscription_id_period_start_period_end_reason_generation"),
        ),
    )
    op.create_index(op.f("ix_invoices_tenant_created_at_id"), "invoices", ["tenant", "created_at", "id"], unique=False)
    op.create_index(op.f("ix_invoices_tenant_customer_id"), "invoices", ["tenant", "customer_id"], unique=False)
    op.create_table(
        "plan_features",
        sa.Column("plan_id", sa.String(length=64), nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("feature_id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("limit_quantity", ExactDecimal(), nullable=True),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("metric_id", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["feature_id"], ["features.id"], name=op.f("fk_plan_features_feature_id_features")),
        sa.ForeignKeyConstraint(["metric_id"], ["metrics.id"], name=op.f("fk_plan_features_metric_id_metrics")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_plan_features_plan_id_plans")),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_plan_features_tenant_tenants")),
        sa.PrimaryKeyConstraint("plan_id", "plan_version", "feature_id", name=op.f("pk_plan_features")),
    )
    op.create_table(
        "plan_intervals",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("subscription_id", sa.String(length=64), nullable=False),
        sa.Column("plan_id", sa.String(length=64), nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("start_at", Instant(), nullable=False),
        sa.Column("end_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_plan_intervals_plan_id_plans")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_plan_intervals_subscription_id_subscriptions")
        ),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_plan_intervals_tenant_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_intervals")),
    )
    op.create_index(
        op.f("ix_plan_intervals_tenant_subscription_id"), "plan_intervals", ["tenant", "subscription_id"], unique=False
    )
    op.create_table(
        "prices",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("item_id", sa.String(length=64), nullable=False),
        sa.Column("metric_id", sa.String(length=64), nullable=True),
        sa.Column("external_price_id", sa.String(length=255), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("cadence", sa.String(length=16), nullable=False),
        sa.Column("model_type", sa.String(length=64), nullable=False),
        sa.Column("config", JsonText(), nullable=False),
        sa.Column("fixed_price_quantity", ExactDecimal(), nullable=True),
        sa.Column("metadata", JsonText(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_prices_item_id_items")),
        sa.ForeignKeyConstraint(["metric_id"], ["metrics.id"], name=op.f("fk_prices_metric_id_metrics")),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_prices_tenant_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prices")),
        sa.UniqueConstraint("tenant", "external_price_id", name=op.f("uq_prices_tenant_external_price_id")),
    )
    op.create_index(op.f("ix_prices_tenant_created_at_id"), "prices", ["tenant", "created_at", "id"], unique=False)
    op.create_table(
        "plan_prices",
        sa.Column("plan_id", sa.String(length=64), nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("price_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_plan_prices_plan_id_plans")),
        sa.ForeignKeyConstraint(["price_id"], ["prices.id"], name=op.f("fk_plan_prices_price_id_prices")),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_plan_prices_tenant_tenants")),
        sa.PrimaryKeyConstraint("plan_id", "plan_version", "ordinal", name=op.f("pk_plan_prices")),
    )
    op.create_table(
        "price_intervals",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("subscription_id", sa.String(length=64), nullable=False),
        sa.Column("price_id", sa.String(length=64), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("quantity", ExactDecimal(), nullable=True),
        sa.Column("start_at", Instant(), nullable=False),
        sa.Column("end_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["price_id"], ["prices.id"], name=op.f("fk_price_intervals_price_id_prices")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_price_intervals_subscription_id_subscriptions")
        ),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.id"], name=op.f("fk_price_intervals_tenant_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_intervals")),
    )
    op.create_index(
        op.f("ix_price_intervals_tenant_subscription_id"),
        "price_intervals",
        ["tenant", "subscription_id"],
        unique=False,
    )


def downgrade() -> None:
    """Drop every table; nothing is kept."""
    op.drop_index(op.f("ix_price_intervals_tenant_subscription_id"), table_name="price_intervals")
    op.drop_table("price_intervals")
    op.drop_table("plan_prices")
    op.drop_index(op.f("ix_prices_tenant_created_at_id"), table_name="prices")
    op.drop_table("prices")
    op.drop_index(op.f("ix_plan_intervals_tenant_subscription_id"), table_name="plan_intervals")
    op.drop_table("plan_intervals")
    op.drop_table("plan_features")
    op.drop_index(op.f("ix_invoices_tenant_customer_id"), table_name="invoices")
    op.drop_index(op.f("ix_invoices_tenant_created_at_id"), table_name="invoices")
    op.drop_table("invoices")
    op.drop_index(op.f("ix_subscriptions_tenant_customer_id"), table_name="subscriptions")
    op.drop_index(op.f("ix_subscriptions_tenant_created_at_id"), table_name="subscriptions")
    op.drop_table("subscriptions")
    op.drop_index(op.f("ix_metrics_tenant_created_at_id"), table_name="metrics")
    op.drop_table("metrics")
    op.drop_index(op.f("ix_plans_tenant_created_at_id"), table_name="plans")
    op.drop_table("plans")
    op.drop_index(op.f("ix_items_tenant_created_at_id"), table_name="items")
    op.drop_table("items")
    op.drop_table("invoice_numbers")
    op.drop_index(op.f("ix_idempotent_requests_created_at"), table_name="idempotent_requests")
    op.drop_table("idempotent_requests")
    op.drop_index(op.f("ix_features_tenant_created_at_id"), table_name="features")
    op.drop_table("features")
    op.drop_index(op.f("ix_customers_tenant_created_at_id"), table_name="customers")
    op.drop_table("customers")
    op.drop_index(op.f("ix_audit_entries_tenant_sequence"), table_name="audit_entries")
    op.drop_table("audit_entries")
    op.drop_index(op.f("ix_api_keys_tenant_created_at_id"), table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_table("tenants")
    op.drop_table("server_state")
